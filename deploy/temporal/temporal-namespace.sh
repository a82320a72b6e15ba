#!/bin/sh
# Makes the namespace unless it is there, and waits until the server knows it, which takes some seconds.
set -eu

tries=0
until temporal workflow count --namespace "$TEMPORAL_NAMESPACE" > /dev/null 2>&1; do
  temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 30d > /dev/null 2>&1 || true
  tries=$((tries + 1))
  if [ "$tries" -gt 60 ]; then
    echo "the namespace $TEMPORAL_NAMESPACE is not there after $tries tries" >&2
    exit 1
  fi
  sleep 1
done
