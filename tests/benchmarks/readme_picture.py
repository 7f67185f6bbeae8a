"""The README's picture: a photograph from the public domain, aligned by `vsa align`, as Chromium shows its page.

python -m tests.benchmarks.readme_picture tests/pictures/alignment.jpg [OPTION OF vsa align]...

The photograph is Eileen Collins, by NASA (no known copyright restrictions), as scikit-image carries it. Needs
scikit-image, playwright, and a Chromium on the machine or one that VSA_CHROMIUM names.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import skimage.data
from PIL import Image
from playwright.sync_api import sync_playwright

SENTENCE = "A smiling woman in an orange suit holds a helmet next to an American flag."
OPTIONS = ("--evidence", "own", "--beta", "0.05")
WINDOW = {"width": 1000, "height": 900}


def main(arguments: list[str]) -> None:
    target, *options = arguments
    chromium = os.environ.get("VSA_CHROMIUM") or shutil.which("chromium") or sys.exit("no Chromium here")
    with tempfile.TemporaryDirectory() as folder:
        photo, pages = Path(folder, "astronaut.png"), Path(folder, "pages")
        Image.fromarray(skimage.data.astronaut()).save(photo)
        command = [sys.executable, "-m", "vsa_cli", "align", str(photo), SENTENCE, "--html", str(pages), "--no-cache"]
        subprocess.run([*command, *(options or OPTIONS)], check=True)
        with sync_playwright() as engine:
            browser = engine.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport=WINDOW, device_scale_factor=1.5, bypass_csp=True)
            page.goto((pages / "index.html").as_uri())
            page.evaluate("document.fonts.ready")
            page.add_style_tag(path=_plain(Path(folder)))
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            page.locator("article").screenshot(path=target, type="jpeg", quality=88)
            browser.close()


def _plain(folder: Path) -> Path:
    """A style that takes away what a picture does not need."""
    style = folder / "plain.css"
    style.write_text(".card { border: 0 !important; padding: 1rem !important } figcaption { display: none !important }")
    return style


if __name__ == "__main__":
    main(sys.argv[1:])
