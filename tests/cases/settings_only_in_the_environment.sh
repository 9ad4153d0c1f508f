# docker run -e …, then cron: no .env in the checkout
cd "$CHECKOUT"; CMC_API_KEY=made-up CLICKHOUSE_HOST=db.example ./run.sh setup_cron --heal --dry-run; echo "rc $?"
# what cron then does: no key, embedded database
env -i HOME=/root PATH=/usr/bin:/bin PYTHONPATH="$CHECKOUT/src" "$CHECKOUT/.venv/bin/python" -m crons.run cmc_hourly_prices heal --dry-run; echo "rc $?"
