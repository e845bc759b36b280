# shellcheck shell=sh disable=SC2034
# The steps of the smoke test, and the status expected of each.
# The sourcing script defines get PATH, post PATH BODY_FILE, put_file and download. Each prints the
# status of the response, or nothing without one, and writes its body to $work/answer.

base=${BASE_URL:-http://127.0.0.1:8000}
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

fail() {
    echo "smoke: $*" >&2
    exit 1
}

needs() { command -v "$1" >"$work/found" || fail "$1 is not installed; see $2"; }

json() { python3 "$here/lib/smoke_json.py" "$@"; }

# expect STATUS WHAT COMMAND…
expect() {
    expected=$1 what=$2
    shift 2
    # When an upload is refused early the tools fail, but still print a status.
    status=$("$@") || true
    case $status in
    "$expected") ;;
    '' | 000) fail "$what got no response" ;;
    *) fail "$what got $status, not $expected: $(head -c 2000 "$work/answer")" ;;
    esac
}

needs python3 "https://www.python.org"
[ -n "${TOKEN:-}" ] ||
    fail "TOKEN is not set; .venv/bin/python manage.py mint_jwt alice --create prints one"
file=${1:-}
if [ -z "$file" ]; then
    file=$work/smoke.bin
    head -c 1000003 /dev/urandom >"$file"
fi
{ [ -f "$file" ] && [ -r "$file" ]; } || fail "$file is not a readable file"

smoke() {
    json init-upload "$file" >"$work/body"
    expect 201 init-upload post /files/init-upload "$work/body"
    mv "$work/answer" "$work/upload"

    expect 200 "the PUT to the store" put_file

    json commit "$file" "$work/upload" >"$work/body"
    expect 201 "the commit" post /files/commit "$work/body"
    mv "$work/answer" "$work/committed"
    expect 200 "the same commit again" post /files/commit "$work/body"
    json same "$work/committed" "$work/answer" || fail "the second commit got a different response"

    id=$(json member "$work/committed" fileId)
    expect 200 "asking for the download" get "/files/$id/download"
    expect 200 "the download from the store" download
    cmp "$file" "$work/answer" || fail "the download differs from the file"

    echo "smoke: $(wc -c <"$file" | tr -d ' ') bytes uploaded, committed and downloaded: every byte the same"
}
