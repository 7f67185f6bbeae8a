"""What man pages show beside the help: examples in the order in which they are needed, and files."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "prep": (
        ("Flickr8k as it is distributed, its split lists beside it:",
         "vsa prep Flickr8k.token.txt --images Flicker8k_Dataset -o corpus.json"),
        ("With the last 1,000 train photographs set aside, to choose by:",
         "vsa prep Flickr8k.token.txt --images Flicker8k_Dataset --tune 1000 -o corpus_tune.json"),
        ("Photographs of one's own, each with a text file beside it, a hundred of them held out:",
         "vsa prep photos/ --images photos/ --val 100 -o corpus.json"),
    ),
    "extract-regions": (
        ("All photographs of a corpus; after an interruption, go on:",
         "vsa extract-regions corpus.json -o regions.h5 --resume"),
        ("As in the paper, with weights that are yours:",
         "vsa extract-regions corpus.json --cnn vgg16 --cnn-weights vgg16.pth --describe crop -o regions.h5"),
    ),
    "train-embed": (
        ("The strongest model known here:", "vsa train-embed corpus.json regions.h5 -o embed/"),
        ("The paper's, from word2vec's vectors:",
         "vsa train-embed corpus.json regions.h5 --preset paper --word-vectors vectors.bin -o embed/"),
        ("Learning rate and weight decay by cross-validation; first see what that would cost:",
         "vsa train-embed corpus.json regions.h5 --sweep --dry-run"),
    ),
    "align": (
        ("A photograph and what is said of it, with the bundled model:",
         'vsa align photo.jpg "a man in a red shirt climbs a rock" --html out/'),
        ("Snippets of all sentences of a split, with pages to look at:",
         "vsa align --corpus corpus.json --regions-file regions.h5 --split val --html album/"),
        ("The score of every word for every region, for vsa evaluate --boxes:",
         "vsa align --corpus corpus.json --regions-file regions.h5 --split val --scores scores.jsonl"),
    ),
    "train-gen": (
        ("The strongest model known here; after an interruption, go on:",
         "vsa train-gen corpus.json regions.h5 -o gen/ --resume"),
        ("The paper's generator of regions, from aligned snippets:",
         "vsa train-gen corpus.json regions.h5 --preset paper --snippets snippets.jsonl -o gen-regions/"),
    ),
    "caption": (
        ("One photograph, with the bundled model:", "vsa caption photo.jpg"),
        ("A folder, one JSON object a line, each as soon as it is made:",
         "vsa caption photos/ --format jsonl > captions.jsonl"),
        ("A text file beside each photograph; run again, only new ones are captioned:",
         "vsa caption photos/ --sidecar .txt --resume"),
        ("An album that any browser opens, as one file:", "vsa caption photos/ --format html -o album.html"),
        ("Names from another program, with anything in them:", "find . -name '*.jpg' -print0 | vsa caption - -0"),
    ),
    "retrieve": (
        ("Photographs for a sentence, with the bundled model:", 'vsa retrieve "two dogs run in snow" photos/'),
        ("The same as a page that shows which box each word found:",
         'vsa retrieve "two dogs run in snow" photos/ --explain --format html -o found.html'),
        ("Sentences for a photograph:", "vsa retrieve --image photo.jpg --sentences sentences.txt"),
        ("A whole split both ways, and its recalls:",
         "vsa retrieve --corpus corpus.json --regions-file regions.h5 --split val -o rankings.jsonl"),
    ),
    "evaluate": (
        ("Captions against a corpus:", "vsa evaluate captions.json --references corpus.json --split dev"),
        ("In a build: fail where CIDEr is lower than 0.40, with exit code 5:",
         "vsa evaluate captions.json --references corpus.json --fail-under CIDEr=0.40"),
        ("Whether one model is better than another, beyond chance:",
         "vsa evaluate --compare old.json new.json --references corpus.json"),
    ),
    "info": (
        ("A model: its configuration, its words, its scores, and what it was made from:", "vsa info gen/"),
        ("For programs:", "vsa info regions.h5 --json | jq .descriptor_size"),
    ),
    "doctor": (
        ("What is here, and how fast it is:", "vsa doctor"),
        ("Whether captioning will work, for a script:", "vsa doctor --json > report.json || cat report.json"),
    ),
}  # fmt: skip
"""Of a command: what each example is for, and the line; a command not named has the example of its help alone."""

FILES = {
    "~/.cache/vsa/": "Photographs looked at, by their content; each way of describing them takes at most 2 GB. In "
    "$XDG_CACHE_HOME/vsa or $VSA_HOME/cache where those are set. May be deleted at any time.",
    "vsa_cli/bundled/": "In the installed package: the models that are used when none is named, and their card.",
    "~/.cache/torch/hub/checkpoints/": "Where torch keeps weights; those of CNNs other than the Lite ones are looked "
    "for here, and never downloaded.",
}
"""Files that commands read or write without being told to."""

ENVIRONMENT = {
    "VSA_MODEL": "The generator that vsa caption uses when --model is not given.",
    "VSA_EMBED_MODEL": "The alignment model that vsa retrieve and vsa align use when --model is not given.",
    "VSA_HOME": "A folder; the cache is kept in its cache/.",
    "XDG_CACHE_HOME": "Where the cache is kept, in vsa/, without VSA_HOME; by default ~/.cache.",
    "TORCH_HOME": "Where torch keeps downloaded weights; by default ~/.cache/torch.",
    "NO_COLOR": "When set, progress is drawn without colour.",
    "TERM": "When it is dumb, no progress is drawn.",
}
"""Variables that the commands heed."""
