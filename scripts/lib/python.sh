# shellcheck shell=sh
# Sourced by run and test: sets `python` to a Python that is new enough, or ends with a sentence.
for python in python3 python3.14 python3.13 python3.12 python3.11 ''; do
    if [ -z "$python" ]; then
        echo "Python 3.11 or newer is needed, and none was found on the PATH." >&2
        exit 1
    fi
    if "$python" -SEc 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        break
    fi
done
