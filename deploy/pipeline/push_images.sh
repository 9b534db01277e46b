#!/usr/bin/env bash
# Push both images, and print their addresses by digest: api=… and page=…
#   REGISTRY_USER=… REGISTRY_TOKEN=… push_images.sh ghcr.io/owner/project/digit v1.0.0
set -euo pipefail
images=$1 tag=$2
docker login "${images%%/*}" --username "$REGISTRY_USER" --password-stdin <<< "$REGISTRY_TOKEN" >&2
for kind in api page; do
  docker push --quiet "$images-$kind:$tag" >&2
  echo "$kind=$(docker inspect --format '{{index .RepoDigests 0}}' "$images-$kind:$tag")"
done
