"""What man pages show beside the help: examples in the order of a user's needs, files, and environment variables."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "prep": (
        ("Flickr8k as distributed, with its split lists beside the captions:",
         "vsa prep Flickr8k.token.txt --images Flicker8k_Dataset -o corpus.json"),
        ("With the last 1,000 training photographs held out for model selection:",
         "vsa prep Flickr8k.token.txt --images Flicker8k_Dataset --tune 1000 -o corpus_tune.json"),
        ("A folder of photographs, each with a text file of the same name; 100 of them are held out:",
         "vsa prep photos/ --images photos/ --val 100 -o corpus.json"),
    ),
    "extract-regions": (
        ("All photographs of a corpus; the same line resumes an interrupted run:",
         "vsa extract-regions corpus.json -o regions.h5 --resume"),
        ("As in the paper, with your own VGG weights:",
         "vsa extract-regions corpus.json --cnn vgg16 --cnn-weights vgg16.pth --describe crop -o regions.h5"),
    ),
    "train-embed": (
        ("The strongest model:", "vsa train-embed corpus.json regions.h5 -o embed/"),
        ("The paper's model, initialised with word2vec vectors:",
         "vsa train-embed corpus.json regions.h5 --preset paper --word-vectors vectors.bin -o embed/"),
        ("Show the cost of a search over learning rate and weight decay:",
         "vsa train-embed corpus.json regions.h5 --sweep --dry-run"),
    ),
    "align": (
        ("A photograph and a sentence about it, with the bundled model:",
         'vsa align photo.jpg "a man in a red shirt climbs a rock" --html out/'),
        ("Snippets of all sentences of a split, and HTML pages of them:",
         "vsa align --corpus corpus.json --regions-file regions.h5 --split val -o snippets.jsonl --html album/"),
        ("The score of every word for every region, for vsa evaluate --boxes:",
         "vsa align --corpus corpus.json --regions-file regions.h5 --split val --scores scores.jsonl"),
    ),
    "train-gen": (
        ("The strongest model; the same line resumes an interrupted run:",
         "vsa train-gen corpus.json regions.h5 -o gen/ --resume"),
        ("The paper's region-level generator, from aligned snippets:",
         "vsa train-gen corpus.json regions.h5 --preset paper --snippets snippets.jsonl -o gen-regions/"),
    ),
    "caption": (
        ("One photograph, with the bundled model:", "vsa caption photo.jpg"),
        ("A folder, as one JSON object per line, written as soon as each is ready:",
         "vsa caption photos/ --format jsonl > captions.jsonl"),
        ("A text file beside each photograph; the next run captions only new photographs:",
         "vsa caption photos/ --sidecar .txt --resume"),
        ("One self-contained HTML file:", "vsa caption photos/ --format html -o album.html"),
        ("File names from another program, separated by NUL:", "find . -name '*.jpg' -print0 | vsa caption - -0"),
    ),
    "retrieve": (
        ("Photographs for a sentence, with the bundled model:", 'vsa retrieve "two dogs run in snow" photos/'),
        ("The same as an HTML page that shows the best box of each word:",
         'vsa retrieve "two dogs run in snow" photos/ --explain --format html -o found.html'),
        ("Sentences for a photograph:", "vsa retrieve --image photo.jpg --sentences sentences.txt"),
        ("Rank a whole split in both directions:",
         "vsa retrieve --corpus corpus.json --regions-file regions.h5 --split val -o rankings.jsonl"),
    ),
    "evaluate": (
        ("Captions against a corpus:", "vsa evaluate captions.json --references corpus.json --split val"),
        ("In CI: exit with code 5 if CIDEr is below 0.40:",
         "vsa evaluate captions.json --references corpus.json --fail-under CIDEr=0.40"),
        ("Compare two models, with a significance test:",
         "vsa evaluate --compare old.json new.json --references corpus.json"),
    ),
    "info": (
        ("A model: configuration, vocabulary, scores, and the files it was made from:", "vsa info gen/"),
        ("For programs:", "vsa info regions.h5 --json | jq .descriptor_size"),
    ),
    "doctor": (
        ("Check the installation:", "vsa doctor"),
        ("In a script:", "vsa doctor --json > report.json || cat report.json"),
    ),
}  # fmt: skip
"""Command: the purpose of each example, and its line. Commands without an entry have only the example of their help."""

FILES = {
    "~/.cache/vsa/": "The feature cache: regions of photographs, by content; at most 2 GB for each way of describing "
    "them. In $XDG_CACHE_HOME/vsa or $VSA_HOME/cache if those are set. May be deleted at any time.",
    "vsa_cli/bundled/": "In the installed package: the models that are used by default, and their model card.",
    "~/.cache/torch/hub/checkpoints/": "The weight files of torch. Weights of CNNs other than EfficientNet-Lite are "
    "read from here, and never downloaded.",
}
"""Files that commands read or write by default."""

ENVIRONMENT = {
    "VSA_GEN_MODEL": "The default generator of vsa caption.",
    "VSA_EMBED_MODEL": "The default alignment model of vsa retrieve and vsa align.",
    "VSA_HOME": "A folder for the feature cache, in its subfolder cache/.",
    "XDG_CACHE_HOME": "The folder of the feature cache, in its subfolder vsa/, unless VSA_HOME is set; ~/.cache by "
    "default.",
    "TORCH_HOME": "The folder of torch's weight files; ~/.cache/torch by default.",
    "NO_COLOR": "If set, progress is drawn without colour.",
    "TERM": "If it is dumb, no progress is drawn.",
}
"""Environment variables that commands read."""
