d=$(mktemp -d); git -c core.autocrlf=true clone -q "$SOURCES" "$d/c"; cd "$d/c"; ./run.sh help; echo "rc $?"; bash run.sh help; echo "rc $?"
