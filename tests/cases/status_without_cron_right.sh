cd "$CHECKOUT"; d=$(mktemp -d); printf '#!/bin/sh\necho "You (alice) are not allowed to use this program (crontab)" >&2\nexit 1\n' > "$d/crontab"; chmod +x "$d/crontab"
PATH=$d:$PATH ./run.sh status --json; echo "rc $?"
