"""What man pages show beside the help: examples in the order of a user's needs, notes, files, environment variables."""

from __future__ import annotations

from vsa_cli.core.errors import ExitCode

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "prep": (
        ("Read Flickr8k as distributed, with its split lists beside the captions:",
         "vsa prep Flickr8k.token.txt --images Flicker8k_Dataset -o corpus.json"),
        ("Hold out the last 1,000 training photographs for model selection:",
         "vsa prep Flickr8k.token.txt --images Flicker8k_Dataset --tune 1000 -o corpus_tune.json"),
        ("Read a folder in which each photograph has a text file of the same name, and hold out 100 photographs:",
         "vsa prep photos/ --images photos/ --val 100 -o corpus.json"),
        ("Read sentences without photographs, a sentence per line, with a style:",
         "vsa prep sentences.txt --style coco -o text.json"),
    ),
    "extract-regions": (
        ("Extract the regions of all photographs of a corpus; the same command resumes an interrupted run:",
         "vsa extract-regions corpus.json -o regions.h5 --resume"),
        ("Compute the features as in Karpathy & Fei-Fei (2015), with your own VGG weights:",
         "vsa extract-regions corpus.json --cnn vgg16 --cnn-weights vgg16.pth --describe crop -o regions.h5"),
        ("Use the CNN that was tuned with an alignment model, to train a caption generator with it:",
         "vsa extract-regions corpus.json --cnn-of embed/ -o tuned.h5"),
        ("Share the work between four processes on this machine:",
         "torchrun --nproc-per-node 4 -m vsa_cli extract-regions corpus.json -o regions.h5 --resume"),
        ("Share it between the jobs of an array (here Slurm's, numbered from 1 to 8), and join the parts at the end:",
         "vsa extract-regions corpus.json -o regions.h5 --shard $SLURM_ARRAY_TASK_ID/8 && "
         "vsa extract-regions corpus.json -o regions.h5 --join"),
    ),
    "train-embed": (
        ("Train the strongest model:", "vsa train-embed corpus.json regions.h5 -o embed/"),
        ("Train the paper's model, initialised with word2vec vectors:",
         "vsa train-embed corpus.json regions.h5 --preset paper --word-vectors vectors.bin -o embed/"),
        ("Train the last stages of the CNN too, from maps of vsa extract-regions --keep-maps:",
         "vsa train-embed corpus.json regions.h5 --tune-cnn -o embed/"),
        ("Show how many trials and epochs a sweep would take:",
         "vsa train-embed corpus.json regions.h5 --sweep --dry-run"),
    ),
    "align": (
        ("Align a sentence with a photograph, with the bundled model:",
         'vsa align photo.jpg "a man in a red shirt climbs a rock" --html out/'),
        ("Align all sentences of a split, and write HTML pages of them:",
         "vsa align --corpus corpus.json --regions-file regions.h5 --split val -o snippets.jsonl --html out/"),
        ("Write the score of every word and region, for vsa evaluate --boxes:",
         "vsa align --corpus corpus.json --regions-file regions.h5 --split val --scores scores.jsonl"),
    ),
    "train-labels": (
        ("Learn to name what photographs show, from the sentences of a corpus:",
         "vsa train-labels regions.h5 --corpus corpus.json -o labels/"),
        ("Learn also from a detector's labels of photographs without sentences:",
         "vsa train-labels regions.h5 more.h5 --corpus corpus.json --teacher more.h5 -o labels/"),
    ),
    "train-gen": (
        ("Train the strongest model; the same command resumes an interrupted run:",
         "vsa train-gen corpus.json regions.h5 -o gen/ --resume"),
        ("Train on two corpora, on sentences without photographs, and on the names of things:",
         "vsa train-gen coco.json coco.h5 --also flickr.json,flickr.h5 --text text.json,0.5 --labels labels/ -o gen/"),
        ("Train the paper's generator of region captions on aligned snippets:",
         "vsa train-gen corpus.json regions.h5 --preset paper --snippets snippets.jsonl -o gen-regions/"),
    ),
    "calibrate": (
        ("Measure how often captions are right, and give each caption a confidence:",
         "vsa calibrate corpus.json regions.h5 --model gen/ --split val -o calibration.json"),
        ("Add the result to the model:", "vsa pack gen/ --calibration calibration.json -o gen-calibrated/"),
        ("Measure on two corpora together:",
         "vsa calibrate coco.json coco.h5 --also flickr.json,flickr.h5 --model gen/ --split tune"),
    ),
    "caption": (
        ("Caption one photograph with the bundled model:", "vsa caption photo.jpg"),
        ("Caption a folder; one JSON object per line, written as soon as it is ready:",
         "vsa caption photos/ --format jsonl > captions.jsonl"),
        ("Write a text file beside each photograph; the next run captions only new photographs:",
         "vsa caption photos/ --sidecar .txt --resume"),
        ("Leave out captions that are probably wrong:", "vsa caption photos/ --sidecar .txt --min-confidence 0.6"),
        ("Write one self-contained HTML file:", "vsa caption photos/ --format html -o album.html"),
        ("Read NUL-separated file names from another program:", "find . -name '*.jpg' -print0 | vsa caption - -0"),
        ("Share a folder between two processes on this machine:",
         "torchrun --nproc-per-node 2 -m vsa_cli caption photos/ --format jsonl -o captions.jsonl --resume"),
        ("Share it between two jobs, in Kubernetes' numbering from 0, and join the parts at the end:",
         "vsa caption photos/ -o captions.txt --shard $((JOB_COMPLETION_INDEX + 1))/2 && "
         "vsa caption photos/ -o captions.txt --join"),
    ),
    "retrieve": (
        ("Find photographs for a sentence, with the bundled model:", 'vsa retrieve "two dogs run in snow" photos/'),
        ("Write the results as an HTML page that shows the best box of each word:",
         'vsa retrieve "two dogs run in snow" photos/ --explain --format html -o found.html'),
        ("Serve a page to search an index in a browser, at http://127.0.0.1:8000/:",
         "vsa retrieve --serve --index library/"),
        ("Find sentences for a photograph:", "vsa retrieve --image photo.jpg --sentences sentences.txt"),
        ("Find photographs of an index that are similar to one, or sentences of an index that describe it:",
         "vsa retrieve --image photo.jpg --index library/ && vsa retrieve --image photo.jpg --index sentences/"),
        ("Rank a whole split in both directions:",
         "vsa retrieve --corpus corpus.json --regions-file regions.h5 --split val -o rankings.jsonl"),
    ),
    "index": (
        ("Index a folder; the same command adds new photographs later, and continues an interrupted run:",
         "vsa index photos/ -o library/"),
        ("Search the index, then answer many queries, a line of JSON each:",
         'vsa retrieve "two dogs run in snow" --index library/ && vsa retrieve - --index library/ < queries.txt'),
        ("Share the work between two machines, and join the results:",
         "vsa index photos/ --shard 1/2 -o a/ && vsa index photos/ --shard 2/2 -o b/ && "
         "vsa index --merge a/ b/ -o library/"),
        ("Share it between two processes on this machine:",
         "torchrun --nproc-per-node 2 -m vsa_cli index photos/ -o library/"),
        ("Index a corpus by regions that were extracted before:",
         "vsa index --corpus corpus.json --regions-file regions.h5 -o library/"),
        ("Index sentences, to find those that describe a photograph:",
         "vsa index --sentences sentences.txt -o sentences/"),
    ),
    "evaluate": (
        ("Score captions against a corpus:", "vsa evaluate captions.json --references corpus.json --split val"),
        ("Exit with code 5 if CIDEr is below 0.40, for use in CI:",
         "vsa evaluate captions.json --references corpus.json --fail-under CIDEr=0.40"),
        ("Compare two models, with a significance test:",
         "vsa evaluate --compare old.json new.json --references corpus.json"),
    ),
    "info": (
        ("Show configuration, vocabulary, scores and input files of a model:", "vsa info gen/"),
        ("Print JSON, for use in scripts:", "vsa info regions.h5 --json | jq .descriptor_size"),
    ),
    "convert": (
        ("Import the regions of bottom-up-attention for the photographs of a corpus:",
         "vsa convert trainval_36.tsv corpus.json -o regions.h5 --cnn bottom-up"),
        ("Export the regions of a corpus as SCAN's arrays:", "vsa convert regions.h5 corpus.json -o arrays/"),
    ),
    "pack": (
        ("Write a copy of a generator for sharing:", "vsa pack gen/ -o gen16/"),
        ("Write a copy whose captions have a confidence:",
         "vsa pack gen/ --calibration calibration.json -o gen-calibrated/"),
    ),
    "doctor": (
        ("Check the installation:", "vsa doctor"),
        ("Save the report as JSON, and print it if anything required is missing:",
         "vsa doctor --json > report.json || cat report.json"),
    ),
}  # fmt: skip
"""Command: the purpose of each example, and its line."""

_SEVERAL_PROCESSES = """
torchrun --nproc-per-node N -m vsa_cli followed by the command and its options trains with N processes, each on the CPU
or, with --device auto or cuda, on a GPU of its own, which has not been tried yet. On several machines (--nnodes), all
must see the same files. Each process computes its share of every batch: --batch-size is that of all processes
together. Photographs, their order and dropout are those of one process, so the result is the same up to rounding,
whatever N is. Every process reads the regions of all photographs. --threads is the number of each process; torchrun
gives it one by default. --memory is that of each process, by default its share of the machine's.

The first process validates, writes and prints. If a process ends early, all end within seconds, and one line on stderr
gives the reason; Ctrl-C ends each with exit code 130. torchrun adds a report of its own, and its exit code is then 1.
--resume continues after the last finished epoch. With the same number of processes it yields the weights of an
uninterrupted run, with another number those up to rounding.
"""

_TORCHRUN = """
torchrun --nproc-per-node N -m vsa_cli followed by the command and its options shares the photographs between N
processes, each on the CPU or, with --device auto or cuda, on a GPU of its own. On several machines (--nnodes), all must
see the same files. Each process does every Nth shard; the first one prints, reports all failures once, waits for the
others, and writes the output, which has the bytes of that of one process on the same kind of machine. --threads is the
number of each process; by default, the processes of a machine share its cores. If a process ends early, all end within
seconds, and one line on stderr gives the reason; only unfinished shards are lost. Ctrl-C ends each with exit code 130.
If the exit code of the first process is not 0, also if it is 3, torchrun adds a report of its own, and its exit code is
1.
"""

_JOB_ARRAYS = """
Without torchrun, start one process for each part with --shard 1/N to --shard N/N, at the same time or one after the
other, on one machine or on several that see the same files, with the same options. When all have finished, --join
writes the output. A part that has not finished is started again in the same way, and does only what is missing. With
another number of processes, or with one, --resume uses all finished shards, does the rest, and writes the output.
"""

_OPENVINO = """
--runtime openvino requires the extra openvino (pip install 'vsa[openvino]'), computes EfficientNet-Lite alone, and only
on the CPU. Features are those of PyTorch up to rounding, so the feature cache keeps them together. Compiling the CNN
takes a second of processor time: it is worth it for large folders. OpenVINO's reports of its use are switched off.
"""

NOTES = {
    "extract-regions": f"""{_OPENVINO}{_TORCHRUN}{_JOB_ARRAYS}
A shard has 64 photographs. Until the output is written, shards are in FILE.part/ beside it.
""",
    "train-labels": _SEVERAL_PROCESSES,
    "train-embed": _SEVERAL_PROCESSES,
    "train-gen": _SEVERAL_PROCESSES,
    "index": f"""
A photograph is unchanged if its file has the same size and modification time. Otherwise its content is compared: one
that was moved, copied or only touched keeps its vectors. A photograph is forgotten if its folder is named, its file
does not exist any more, and the folder still has photographs; so nothing is lost if a disk is not mounted.

The index belongs to one model: vsa retrieve must be given the same one. Paths are stored as absolute paths; if the
photographs have moved, vsa retrieve --images names their folder, and the next vsa index of that folder records the new
paths without describing the photographs again.

--sentences reads a text file with one sentence per line, a corpus.json, and captions in JSON or JSON Lines as vsa prep
does. A sentence that occurs several times is kept once, and one that the index has already is not encoded again.
Sentences that the file no longer has stay; --force starts with an empty index.

Photographs and sentences are saved in portions of 256; a killed run loses the unfinished portion. The vectors are
16-bit floating-point numbers, so scores may differ from those of vsa retrieve without an index in the last digits.
{_OPENVINO}{_TORCHRUN}
With torchrun, the others describe photographs, and the first process indexes them. Until then, shards of 32 photographs
are in DIR.part/ beside the index; the same command uses them, with any number of processes. Without torchrun,
--shard describes a part of the photographs into an index of its own, and --merge joins such indices.
""",
    "retrieve": f"""
With --index, photographs are found in two steps. The vector of the whole sentence is compared with that of every whole
image, which is exact and fast. The best of these, --candidates, are scored like photographs without an index, each word
against each region. --exact scores all. A model without vectors of whole images (--preset paper) always scores all.

The answer to a query from stdin is {{"query": TEXT, "results": [...], "error": null}}. A line that cannot be answered
has no results and the reason in "error"; the exit code is then 3. With --image -, the names of photographs are read
from stdin in the same way, and the answer has "image" in place of "query".

With --image, sentences of an index are scored as without one. Photographs are compared by the cosines of their vectors:
the mean, over the regions of the photograph that is given, of the best region of the other one, and the whole images
with the same weight as for sentences. So a photograph that is in the index itself has the score 1.

--serve requires the extra serve (pip install 'vsa[serve]'). Its page shows the best box of each word, and more
photographs as one scrolls, --top in all. It writes nothing, sets no cookies, loads nothing from other servers, and
hands out small copies of the photographs of the index alone, if their files have not changed. By default it can be
reached from this machine only; use ssh -L to reach it from another. --json or --format jsonl prints its address as
{{"url": TEXT}}, as soon as it can be used. Photographs that are indexed meanwhile are found after a restart.
{_OPENVINO}""",
    "caption": f"""
A photograph that is named twice is captioned once. The log-probabilities in JSON and CSV output are the model's own,
including the end-of-sentence token; --length-norm and --diversity change only the ranking.

The likeliest caption of a beam is often not the best one. A model with attention, such as the bundled one, therefore
prints the caption whose words agree most with those of all captions that the search has found, the likelier ones
counting more (--consensus). With --nbest, the others follow by score. --likeliest chooses by score alone, as the paper
does. --groups and --sample have no consensus.

In folders, symbolic links to folders are followed, and no folder is searched twice. Hidden files and folders are
skipped, as are folders of HTML pages or annotated copies that vsa has written, unless they are named themselves.
Greyscale images of more than 8 bits are scaled so that the maximum that the file states (sBIT in PNG, MaxSampleValue in
TIFF), or else the image's largest value, becomes white.

The confidence of a caption is the probability that it is right: that it mentions at least one thing, and only things
that people mention, too. Colours, numbers and actions are not judged. Models have it if they were packed with a
calibration, which vsa calibrate measures; other models print null. It refers to the first caption of a photograph, and
is approximate if --beam, --style, --detector or other search options differ from their defaults, or if the photographs
differ from those of the calibration. Sampled captions and captions of regions have none.

--min-confidence withholds a caption of lower confidence. The exit code stays 0, and a line on stderr gives the number
of captions withheld. In JSON and CSV output the caption is null or empty, and withheld gives the reason; text and COCO
output omit the photograph; on HTML pages the reason replaces the caption. A photograph without a caption gets no
annotated copy and no sidecar file. Since nothing marks it as done, --sidecar with --resume captions it again. With
--force, its earlier sidecar file is deleted.

--format html writes one self-contained HTML file that any browser opens, or a folder of pages if the name given with
-o does not end in .html.

--resume skips photographs already captioned in -o FILE (--format jsonl only) or in a sidecar file, and retries those
that failed. It stops if the earlier captions were made with another model, other search options or another seed. Those
settings are stored in a hidden file (see FILES); if that file is missing, nothing is compared. If a run with --force
was interrupted, --resume also replaces the sidecars that the run had not yet replaced. This holds for named photographs
and folders; if the names came from stdin, existing sidecars are kept. Photographs that would share a
sidecar, such as a.jpg and a.png, are refused.

--sample and the options that imply it cannot be combined with --beam, --groups, --diversity, --length-norm or
--require, which belong to the search.

--baseline nearest-neighbour captions each photograph, or each image of a --split, with a sentence of the most similar
image in the train split of --corpus: the sentence most similar to that image's other sentences.
{_OPENVINO}{_TORCHRUN}{_JOB_ARRAYS}
Several processes write either -o FILE, in any format, or --sidecar; sidecars need no --join. A shard has the
photographs that are captioned together, at most --batch-size. Until the output is written, shards are in FILE.parts/
beside it.
""",
    "align": _OPENVINO,
    "calibrate": """
A caption is right if it mentions at least one thing, and if every thing that it mentions is mentioned by at least one
of the references. Things are the names in --names FILE, with the words that mention them: a caption with "a boy" is
wrong if the references only have "a child". A calibration keeps the names.

The calibration is a logistic regression on the caption's mean log-probability per word, its number of words, the number
of things that it mentions, and how probable each of them is by the model's labeller and the detector's labels. A
caption that mentions nothing has a confidence of 0. The Brier score and the expected calibration error are those of
two-fold cross-validation; the weights are then fitted to all captions. A calibration of fewer than 200 captions is
uncertain.

A split on which the model was trained is refused, as far as the model's record shows it. If a model is to be trained on
all data, calibrate one that was trained in the same way without a split, and give its calibration to the other with vsa
pack --calibration; vsa info then shows "sibling True".
""",
    "evaluate": """
The --boxes FILE has one JSON object per image:

  file      file name of the photograph
  width     width in pixels of the image to which the boxes refer
  height    height in pixels of that image
  entity_sentences  list of {"tokens": "a dog .", "phrases": [{"id": ID, "start": 0, "end": 2}]}; start and end
            (exclusive) count tokens
  boxes     object from ID to a list of [x1, y1, x2, y2]
""",
}
"""Command: rules that are rarely needed, in the form of a description."""

FILES = {
    "~/.cache/vsa/": "The feature cache: cached regions, identified by the content of the photograph's file; at most "
    "2 GB for each combination of CNN and region settings. May be deleted at any time.",
    "vsa_cli/bundled/": "In the installed package: the models that are used by default, and their model card. Its "
    'path: python3 -c "import vsa_cli; print(vsa_cli.__path__[0])".',
    "~/.cache/torch/hub/checkpoints/": "PyTorch's cache folder for downloaded weights. Weights of CNNs other than "
    "EfficientNet-Lite are read from here; vsa never downloads any.",
    ".FILE.settings.json": "The settings of the captions in -o FILE, compared by --resume.",
    ".vsa.SUFFIX.settings.json": "The settings of the sidecars in a folder, compared by --resume.",
    "FILE.part/": "Regions of an unfinished run; --resume and --join use them.",
    "FILE.parts/": "Captions of an unfinished run of several processes; --resume and --join use them.",
    ".FILE.part": "An output while it is written; it is renamed to FILE when it is complete.",
}
"""Files that commands read or write by default."""

ENVIRONMENT = {
    "VSA_GEN_MODEL": "The default caption generator of vsa caption.",
    "VSA_EMBED_MODEL": "The default alignment model of vsa retrieve, vsa index and vsa align.",
    "VSA_HOME": "If set, the feature cache is $VSA_HOME/cache.",
    "XDG_CACHE_HOME": "Unless VSA_HOME is set, the feature cache is $XDG_CACHE_HOME/vsa (default: ~/.cache/vsa).",
    "TORCH_HOME": "The folder of PyTorch's hub, in which downloaded weights are cached; ~/.cache/torch by default.",
    "NO_COLOR": "If set, progress is drawn without colour.",
    "TERM": "If it is dumb, no progress is drawn.",
}
"""Environment variables that commands read."""

NEEDS = {
    "~/.cache/vsa/": "cache_dir", "~/.cache/torch/hub/checkpoints/": "cnn_weights", ".FILE.part": "output",
    "VSA_HOME": "cache_dir", "XDG_CACHE_HOME": "cache_dir", "TORCH_HOME": "cnn_weights",
    "NO_COLOR": "quiet", "TERM": "quiet",
}  # fmt: skip
"""File or variable: the parameter that a command has if it uses it."""

ONLY = {
    "vsa_cli/bundled/": ("caption", "retrieve", "index", "align", "doctor"),
    "~/.cache/torch/hub/checkpoints/": ("doctor",), "TORCH_HOME": ("doctor",),
    "FILE.part/": ("extract-regions",), "FILE.parts/": ("caption",),
    ".FILE.settings.json": ("caption",), ".vsa.SUFFIX.settings.json": ("caption",),
}  # fmt: skip
"""File or variable: commands that use it, whatever their parameters."""

RARE_CODES = {
    ExitCode.SOME_FAILED: ("prep", "extract-regions", "align", "caption", "retrieve", "index", "convert"),
    ExitCode.BELOW_THRESHOLD: ("evaluate",),
}
"""Exit codes that only some commands return."""

SEE_ALSO = {
    "prep": ("vsa-extract-regions",),
    "extract-regions": ("vsa-prep", "vsa-convert", "vsa-train-embed", "vsa-train-gen"),
    "train-embed": ("vsa-extract-regions", "vsa-retrieve", "vsa-align", "vsa-pack"),
    "align": ("vsa-train-embed", "vsa-train-gen", "vsa-evaluate"),
    "train-labels": ("vsa-extract-regions", "vsa-train-gen"),
    "train-gen": ("vsa-extract-regions", "vsa-align", "vsa-caption", "vsa-pack"),
    "calibrate": ("vsa-train-gen", "vsa-pack", "vsa-caption"),
    "caption": ("vsa-train-gen", "vsa-calibrate", "vsa-evaluate"),
    "retrieve": ("vsa-train-embed", "vsa-evaluate"),
    "index": ("vsa-retrieve", "vsa-extract-regions", "vsa-info"),
    "evaluate": ("vsa-caption", "vsa-retrieve", "vsa-align"),
    "convert": ("vsa-prep", "vsa-extract-regions"),
    "pack": ("vsa-train-embed", "vsa-train-gen", "vsa-calibrate"),
}
"""Command: its neighbours in the pipeline."""
