"""The house: everything `vsa` knows, with no word of the command line.

The rooms, in the order in which data walks through them::

    photographs + sentences
        corpus/       -> corpus.json     who is who: images, sentences, splits, vocabulary
        regions/      -> regions.h5      where to look: boxes and their CNN descriptors
        pages/        -> album/          how it is shown: photographs, boxes and words in a browser
        learning/                        what training either model shares
        embedding/    -> embed/          what belongs together: regions and words in one space; search
        alignment/    -> snippets.jsonl  which words belong to which region
        generation/   -> gen/            what to say: the sentence generator, and captions
        evaluation/                      how good it is: captions, rankings, alignments
        inspect                          what any of these files says of itself

The ground floor serves every room and knows none: `errors`, `config`, `stored`, `json_lines`, `artifacts`, `outputs`,
`pictures`, `device`, `metrics`, `recurrence`, `training`.

A module imports from its own room, from rooms upstream of it, and from the ground floor.

Letters, the same in every file:
    B batch, R regions of an image (region 0 is the whole image), T words of a sentence,
    D descriptor size, H hidden size, V vocabulary, P proposals of an image.
"""
