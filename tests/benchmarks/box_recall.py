"""Recall of region boxes on the phrases of Flickr30k Entities.

    python -m tests.benchmarks.box_recall regions.h5 entities.jsonl.gz --split val

A phrase box is covered if some region of its photograph overlaps it with an IoU of at least 0.5. Prints the share of
covered boxes for all regions and for the whole image alone; and the same for phrases, whose boxes are replaced by
their enclosing rectangle.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

import numpy as np

from vsa_cli.core import boxes as geometry
from vsa_cli.core.regions.store import RegionStore


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("regions", type=Path)
    parser.add_argument("entities", type=Path)
    parser.add_argument("--split", default="val", help="split, as named in the entities file")
    parser.add_argument("--last", type=int, default=0, help="use only the last N photographs of --list")
    parser.add_argument("--list", type=Path, help="file of photograph names; others are skipped")
    arguments = parser.parse_args()
    store = RegionStore(arguments.regions)
    names = arguments.list.read_text().split()[-arguments.last :] if arguments.list else None
    best: list[float] = []
    whole: list[float] = []
    enclosing: list[float] = []
    regions: list[int] = []
    with gzip.open(arguments.entities, "rt", encoding="utf-8") as file:
        for line in file:
            photo = json.loads(line)
            if photo["split"] != arguments.split or photo["file"] not in store:
                continue
            if names is not None and photo["file"] not in names:
                continue
            found = store[photo["file"]]
            scale = found.width / photo["width"]
            regions.append(len(found.boxes))
            for boxes in photo["boxes"].values():
                truth = np.array(boxes, np.float32).reshape(-1, 4) * scale
                overlap = geometry.iou(truth, found.boxes)
                best += overlap.max(1).tolist()
                whole += overlap[:, 0].tolist()
                hull = np.concatenate([truth[:, :2].min(0), truth[:, 2:].max(0)])[None]
                enclosing.append(float(geometry.iou(hull, found.boxes).max()))
    print(f"photographs {len(regions)}, regions per photograph {np.mean(regions):.1f}, phrase boxes {len(best)}")
    print(f"recall at IoU 0.5: {100 * np.mean(np.array(best) >= 0.5):.1f} %")
    print(f"  whole image alone: {100 * np.mean(np.array(whole) >= 0.5):.1f} %")
    print(f"  enclosing rectangles ({len(enclosing)}): {100 * np.mean(np.array(enclosing) >= 0.5):.1f} %")
    print(f"mean best IoU: {np.mean(best):.3f}")


if __name__ == "__main__":
    main()
