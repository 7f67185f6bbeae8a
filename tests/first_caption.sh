#!/bin/sh
# From nothing to a caption: draws a small corpus, learns its words from it, and captions one picture.
# `vsa` must be on the PATH. Leaves everything in a new folder, first_caption/, in the current one.
set -eu
python "$(dirname "$0")/drawn.py" first_caption
cd first_caption
vsa prep captions.csv --images photos -o corpus.json --min-count 1 --force
vsa extract-regions corpus.json -o regions.h5 --detector grid --force
vsa train-gen corpus.json regions.h5 -o gen --preset paper --hidden-size 128 --word-size 64 --batch-size 16 \
    --dropout 0.1 --learning-rate 2e-3 --epochs 30 --patience 30 --quiet --force
vsa caption photos/004.png --model gen --beam 7
