#!/bin/sh
# Uploads a file, commits it twice, downloads it and compares every byte, with curl.
#   TOKEN=… [BASE_URL=http://127.0.0.1:8000] scripts/smoke.sh [FILE]
# Without FILE it makes one. Exits with 0, or prints what failed.
set -eu
. "$(dirname "$0")/lib/smoke.sh"
needs curl "https://curl.se"

# Secrets go through files: everyone on the machine can read the arguments of a process.
printf 'Authorization: Bearer %s\nContent-Type: application/json\n' "$TOKEN" >"$work/headers"

# Prints the status and writes the response's body to $work/answer.
curl_() { curl -sS --connect-timeout 10 -o "$work/answer" -w '%{http_code}' "$@"; }

get() { curl_ --max-time 60 -H "@$work/headers" "$base$1"; }
post() { curl_ --max-time 60 -H "@$work/headers" --data-binary "@$2" "$base$1"; }
put_file() {
    json curl-config "$work/upload" presigned_put_url >"$work/config"
    curl_ -T "$file" --config "$work/config"
}
download() {
    json curl-config "$work/answer" presigned_get_url >"$work/config"
    curl_ --config "$work/config"
}

smoke
