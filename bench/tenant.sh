#!/bin/sh
# Prints the key of a new tenant with limits and hard budgets that never stand in the way.
#   tenant.sh <insula> <data dir> [monthly budget in USD]
set -eu
insula=$1
data=$2
budget=${3:-1000000.00}
slug="bench-$(date +%s%N)"
"$insula" tenant create "$slug" --name "$slug" --data-dir "$data" >/dev/null
"$insula" budget set "$slug" --window month --limit-usd "$budget" --data-dir "$data" >/dev/null
"$insula" budget set "$slug" --window day --limit-usd "$budget" --data-dir "$data" >/dev/null
"$insula" limit set "$slug" --requests-per-minute 4000000000 --tokens-per-minute 4000000000 --concurrency 10000 --data-dir "$data" >/dev/null
"$insula" key create "$slug" --name bench --json --data-dir "$data" | sed -n 's/.*"key": *"\([^"]*\)".*/\1/p'
