#!/bin/sh
# The exuvia command, under the package's own Node.
# Variables meant for other Node programs must not change this one.
unset NODE_OPTIONS NODE_PATH
# Compiled code is cached for root only: a folder that others can write would be code that root runs.
cache=/var/cache/exuvia/cli
if [ -w /var/cache/exuvia ]; then
  export NODE_COMPILE_CACHE="$cache"
fi
exec /usr/lib/exuvia/node/bin/node /usr/lib/exuvia/exuvia.js "$@"
