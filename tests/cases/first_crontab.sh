# busybox's words for "none yet"; other crontabs have words of their own
cd "$CHECKOUT"; for words in "crontab: can't open 'root': No such file or directory"; do
  d=$(mktemp -d); printf '#!/bin/sh\n[ "$1" = - ] && { cat > %s/tab; exit 0; }\n[ -f %s/tab ] && exec cat %s/tab\necho "%s" >&2; exit 1\n' "$d" "$d" "$d" "$words" > "$d/crontab"; chmod +x "$d/crontab"
  for c in setup_cron jobs status; do PATH=$d:$PATH ./run.sh $c >/dev/null; echo "$c: rc $?"; done; done
