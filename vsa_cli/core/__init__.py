"""What `vsa` computes: models, data and files, independent of the command line and of how results are shown.

    io/          files: artifact metadata, JSON, text, images, lists of photographs, a thread pool
    metrics/                     BLEU, METEOR, ROUGE-L, CIDEr, recall, grounding
    corpus/      corpus.json     images, sentences, splits, vocabulary; readers of caption files
    regions/     regions.h5      boxes and their CNN descriptors, and the cache of those
    learning/                    the training loop, checkpoints and model directories of both models
    embedding/   embed/          regions and words in one space; search and rankings
    labels/      labels/         names of what regions show, and the labeller that finds them
    alignment/   snippets.jsonl  which words describe which region
    library/     library/        an index of photographs, and search in it
    generation/  gen/            the caption generator, decoding, and captions
    evaluation/                  scores of captions, rankings and alignments

`config`, `errors`, `device` and `boxes` are shared by all folders; `inspect` describes any artifact, and `doctor` the
installation.

A folder imports from those above it, except that `generation` does not import `embedding` or `library`, and
`evaluation` imports only `metrics`, `corpus` and `io`. tests/test_architecture.py holds the exact table.

"The paper" is Karpathy & Fei-Fei, "Deep Visual-Semantic Alignments for Generating Image Descriptions" (CVPR 2015).

A region is a box in a photograph together with its descriptor, the vector of features that a CNN computes for the box.

Letters in shapes, the same in every file:
    B batch, R regions of an image (region 0 is the whole image), T words of a sentence, D descriptor size,
    H hidden units, or size of the common space, W word vector size, V vocabulary, P proposals of an image.
Other letters, such as K, L, M, N and S, are explained where they are used.
"""
