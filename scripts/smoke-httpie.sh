#!/bin/sh
# Uploads a file, commits it twice, downloads it and compares every byte, with HTTPie's `http`.
#   TOKEN=… [BASE_URL=http://127.0.0.1:8000] scripts/smoke-httpie.sh [FILE]
# Without FILE it makes one. Exits with 0, or prints what failed.
set -eu
. "$(dirname "$0")/lib/smoke.sh"
needs http "https://httpie.io/cli"

# Secrets go through files: everyone on the machine can read the arguments of a process.
printf 'Bearer %s' "$TOKEN" >"$work/authorization"
# This script parses the output, so the user's own options must not change it.
export HTTPIE_CONFIG_DIR="$work/httpie"

# Prints the status and writes the response's body to $work/answer.
http_() {
    http --timeout 60 --print hb --pretty none "$@" >"$work/raw" || return
    json split "$work/raw" "$work/answer"
}

get() { http_ --ignore-stdin GET "$base$1" "Authorization:@$work/authorization"; }
post() {
    http_ POST "$base$1" "Authorization:@$work/authorization" Content-Type:application/json <"$2"
}
put_file() {
    url=$(json member "$work/upload" presigned_put_url)
    json headers "$work/upload" >"$work/headers"
    set -- Content-Type: # HTTPie's own type would be stored with the object
    while read -r header; do
        set -- "$@" "$header"
    done <"$work/headers"
    http_ PUT "$url" "$@" <"$file"
}
download() {
    url=$(json member "$work/answer" presigned_get_url)
    set -- --ignore-stdin --check-status --timeout 60 --download --output "$work/answer" GET "$url"
    if http "$@" 2>"$work/said"; then
        echo 200
    else
        sed -n 's/.*HTTP \([0-9]*\).*/\1/p' "$work/said"
    fi
}

smoke
