"""Every setting on one page, with the paper's section or the reason for its value.

Frozen dataclasses; a default is written here and nowhere else. Each is stored in the artifacts made with it, and read
back by `io.envelope.from_dict`, which rejects unknown fields and wrong types. No torch: help is fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Detector = Literal["selective-search", "ssd", "fasterrcnn", "boxes", "grid"]
CaptionDetector = Literal["auto", "selective-search", "ssd"]
Describe = Literal["crop", "roi"]
Evidence = Literal["contained", "own"]
Items = Literal["photographs", "sentences"]
EmbedPreset = Literal["paper", "best"]
Encoder = Literal["brnn", "gru"]
Similarity = Literal["dot", "cosine"]
Loss = Literal["hinge", "contrastive"]
Optimizer = Literal["sgd", "adam"]
Cell = Literal["rnn", "gru", "lstm"]
GeneratorPreset = Literal["paper", "best"]
GeneratorOptimizer = Literal["rmsprop", "adam"]
Objective = Literal["likelihood", "cider"]
Restval = Literal["train", "drop"]
RankFormat = Literal["text", "json", "jsonl", "html"]
CaptionFormat = Literal["text", "json", "jsonl", "coco", "csv", "html"]
Baseline = Literal["nearest-neighbour"]
Unknown = Literal["drop", "unk"]
CaptionFileFormat = Literal[
    "auto", "karpathy", "coco", "flickr", "imagefolder", "list", "csv", "text", "sidecar", "webdataset", "plain"
]


@dataclass(frozen=True)
class PrepConfig:
    """Splits and vocabulary of a corpus (paper, section 4: data preprocessing).

    Attributes:
        min_count: a word is in the vocabulary if it occurs at least this often in the train split.
        unknown: other words are left out of sentences (`drop`, the paper) or become UNK (`unk`).
        characters: each letter of a script without spaces (Chinese, Japanese, Thai ...) is a word.
        restval: COCO's `restval` images join train or are dropped.
        tune: the number of train images, the last ones, that form the split `tune`.
        val: the number of train images drawn at random that form the split `val`.
        test: the number of train images drawn at random that form the split `test`.
        style: the name of the sentences' style, such as `flickr` or `coco`; empty for a corpus without one.
    """

    min_count: int = 5
    unknown: Unknown = "drop"
    characters: bool = False
    restval: Restval = "train"
    tune: int = 0
    val: int = 0
    test: int = 0
    style: str = ""


@dataclass(frozen=True)
class RegionConfig:
    """Which regions of an image to take, and how to extract their descriptors (paper, section 3.1).

    Attributes:
        detector: the source of the boxes.
        top: the number of boxes besides the whole image ("the top 19 detected locations").
        cnn: the network that extracts descriptors.
        describe: `crop` warps each box to the CNN's input (R-CNN); `roi` pools it from one shared feature map.
        side: the shorter side of the CNN's input, in pixels, or the side of a crop; 0 takes 320, or the CNN's own.
        photo_side: larger photographs are first reduced to this shorter side, in pixels; 0 takes the corpus's median.
        details: whether descriptors also have texture, colours, place and shape (`regions.details`).
    """

    detector: Detector = "selective-search"
    top: int = 19
    cnn: str = "efficientnet_lite2"
    describe: Describe = "roi"
    side: int = 0
    photo_side: int = 0
    details: bool = False


@dataclass(frozen=True)
class EmbedConfig:
    """The alignment model (paper, section 3.1).

    Attributes:
        encoder: the paper's (`brnn`), or a bidirectional GRU with a skip connection from the word vectors (`gru`).
        word_size: the size of a word vector x_t (the paper's come from word2vec: 300).
        hidden_size: hidden units of each direction ("300 to 600").
        size: H, the size of the embedding space ("1000 to 1600").
        similarity: `dot` sums raw inner products over the words (the paper); `cosine` averages cosines.
        whole_weight: the share of the score that compares the whole sentence with the whole image; 0 in the paper.
        dropout: dropout on all non-recurrent layers.
        word_dropout: the share of words whose vectors are zeroed in training.
    """

    encoder: Encoder = "brnn"
    word_size: int = 300
    hidden_size: int = 512
    size: int = 1024
    similarity: Similarity = "dot"
    whole_weight: float = 0.0
    dropout: float = 0.1
    word_dropout: float = 0.0


@dataclass(frozen=True)
class EmbedTraining:
    """Training of the alignment model (paper, sections 3.1.3 and 3.4).

    Attributes:
        loss: `hinge` is the paper's ranking loss; `contrastive` is a softmax over the batch, in both directions.
        margin: the margin of the hinge loss.
        temperature: the scores are divided by it in the softmax.
        optimizer: `sgd` with `momentum` (the paper), or `adam` with decoupled weight decay.
        learning_rate: the initial learning rate; half a cosine takes it to zero over `epochs`.
        weight_decay: cross-validated together with the learning rate; it also shrinks W_e, which starts large.
        momentum: the momentum of SGD.
        batch_size: image-sentence pairs per step.
        clip: gradients are clipped elementwise to [-clip, clip].
        epochs: maximum passes over the training sentences.
        patience: stop after this many epochs without a better sum of recalls.
        tune_words: train the word vectors; otherwise they stay as given (the paper's choice for word2vec).
        cnn_rate: the initial learning rate of the CNN's tail; 0 keeps the CNN as it is (the paper's choice).
    """

    loss: Loss = "hinge"
    margin: float = 1.0
    temperature: float = 0.05
    optimizer: Optimizer = "sgd"
    learning_rate: float = 2e-5
    weight_decay: float = 1e-5
    momentum: float = 0.9
    batch_size: int = 100
    clip: float = 5.0
    epochs: int = 9
    patience: int = 5
    tune_words: bool = True
    cnn_rate: float = 0.0


@dataclass(frozen=True)
class IndexConfig:
    """What an index stores: `items`, in vectors of `size` (H) numbers, `whole` ones and `hubness` if a model has."""

    size: int = 1024
    whole: bool = False
    items: Items = "photographs"
    hubness: bool = False


EMBED_PRESETS: dict[EmbedPreset, tuple[EmbedConfig, EmbedTraining]] = {
    "paper": (EmbedConfig(), EmbedTraining()),
    "best": (
        EmbedConfig(
            "gru", hidden_size=400, size=768, similarity="cosine", whole_weight=0.5, dropout=0.3, word_dropout=0.1
        ),
        EmbedTraining(
            loss="contrastive", optimizer="adam", learning_rate=1e-3, weight_decay=1e-2, batch_size=200, epochs=12
        ),
    ),
}
"""The presets of `vsa train-embed`; its other options override them."""


@dataclass(frozen=True)
class SweepConfig:
    """Cross-validation (paper, section 3.4) by successive halving, around the configured rate and decay.

    Each rate is tried with each decay for `epochs` epochs. The best 1/`share` of these trials are repeated with `share`
    times as many epochs, and so on.
    """

    rate_factors: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0)
    decay_factors: tuple[float, ...] = (0.1, 1.0, 10.0)
    epochs: int = 2
    share: int = 3


REGION_STYLE = "region"
"""The style of snippets, in a generator of whole images and regions."""


@dataclass(frozen=True)
class LabellerConfig:
    """The labeller, which names what regions show.

    Attributes:
        names: the names that it knows, such as `zebra`.
        hidden_size: hidden units of its network.
    """

    names: tuple[str, ...] = ()
    hidden_size: int = 512


MOST_FOLDS = 20  # of a labeller


@dataclass(frozen=True)
class LabellerTraining:
    """Training of the labeller.

    Attributes:
        mention_weight: the weight of a name that no sentence mentions: people do not mention all that they see.
        sure: the teacher's score from which a photograph shows a name.
        unsure: the teacher's score up to which it does not; between the two, the teacher is not believed.
        folds: the number K of further labellers, each trained without one of K parts of the photographs; 0 for none.
        dropout: dropout on hidden units.
        learning_rate: the initial learning rate of Adam; half a cosine takes it to zero over `epochs`.
        weight_decay: the decoupled weight decay of Adam.
        batch_size: photographs per step.
        clip: gradients are clipped elementwise to [-clip, clip].
        epochs: maximum passes over the photographs.
        patience: stop after this many epochs without a better average precision.
    """

    mention_weight: float = 0.5
    sure: float = 0.5
    unsure: float = 0.1
    folds: int = 0
    dropout: float = 0.5
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    batch_size: int = 64
    clip: float = 5.0
    epochs: int = 8
    patience: int = 4


@dataclass(frozen=True)
class GeneratorConfig:
    """The multimodal RNN (paper, section 3.2).

    Attributes:
        cell: `rnn` is the paper's: h_t = ReLU(W_hx x_t + W_hh h_{t-1} + b_h + [t = 1] b_v).
        word_size: the size of a word vector x_t.
        hidden_size: hidden units ("512 neurons").
        dropout: dropout on all non-recurrent layers: word vectors, the image's descriptor, states before the softmax.
        attention: attention heads over all regions at every word (with a GRU); 0, the paper's: the whole image, once.
        image_dropout: with attention, dropout on the dimensions of an image's descriptors.
        length_norm: the exponent that is best for comparing captions (`DecodingConfig.length_norm`); 0 is the paper's.
        tags: the maximum number of tags of an image: names of things in it, given to the model beside its descriptors.
        names: the names that can be tags; the model has a vector for each.
        labeller_size: hidden units of the labeller that finds the tags; 0 without a labeller.
        styles: the styles of the training sentences, in the order of their START vectors; empty for a single one.
    """

    cell: Cell = "rnn"
    word_size: int = 512
    hidden_size: int = 512
    dropout: float = 0.5
    attention: int = 0
    image_dropout: float = 0.3
    length_norm: float = 0.0
    tags: int = 0
    names: tuple[str, ...] = ()
    labeller_size: int = 0
    styles: tuple[str, ...] = ()


@dataclass(frozen=True)
class GeneratorTraining:
    """Training of the caption generator (paper, section 3.4: RMSProp, elementwise clipping at 5).

    Attributes:
        objective: the likelihood of the sentences (the paper), or the CIDEr of captions sampled from the model.
        samples: captions sampled for each image, with the objective `cider`.
        optimizer: the paper's RMSProp, or Adam with decoupled weight decay.
        learning_rate: the initial learning rate; half a cosine takes it to zero over `epochs`.
        decay: the decay of RMSProp's running mean of squares.
        weight_decay: the weight decay of Adam.
        label_smoothing: the share of each target that is spread over all words.
        batch_size: sentences per step; with the objective `cider`, images.
        clip: gradients are clipped elementwise to [-clip, clip].
        epochs: maximum passes over the training sentences or images.
        patience: stop after this many epochs without better validation.
    """

    objective: Objective = "likelihood"
    samples: int = 5
    optimizer: GeneratorOptimizer = "rmsprop"
    learning_rate: float = 5e-4
    decay: float = 0.99
    weight_decay: float = 1e-4
    label_smoothing: float = 0.0
    batch_size: int = 100
    clip: float = 5.0
    epochs: int = 20
    patience: int = 4


GENERATOR_PRESETS: dict[GeneratorPreset, tuple[GeneratorConfig, GeneratorTraining]] = {
    "paper": (GeneratorConfig(), GeneratorTraining()),
    "best": (
        GeneratorConfig(cell="gru", word_size=256, attention=8, length_norm=0.7),
        GeneratorTraining(optimizer="adam", learning_rate=1e-3, label_smoothing=0.1, epochs=10),
    ),
}
"""The presets of `vsa train-gen`; its other options override them."""

SELF_CRITICAL = GeneratorTraining(
    "cider", optimizer="adam", learning_rate=1e-4, weight_decay=0.0, batch_size=50, epochs=5, patience=5
)
"""Self-critical training of a generator that was trained by likelihood."""


@dataclass(frozen=True)
class AlignConfig:
    """Alignment of words with regions (paper, section 3.1.4).

    Attributes:
        beta: β of the chain MRF: the reward for assigning two neighbouring words to one region; 0 assigns each alone.
        evidence: `own` is v_i . s_t (the paper); `contained` sums over the regions inside a box (`evidence.py`).
        region_prior: with `contained`, the evidence of every region, in standard deviations of a sentence's scores.
        area_exponent: the sum of a box is divided by its area to this power.
        own_weight: the share of the region's own score, from 0 to 1; the sum has the rest.
        name_weight: the weight of the labeller's log-odds, if the model has a labeller.
    """

    beta: float = 0.5
    evidence: Evidence = "contained"
    region_prior: float = 1.4
    area_exponent: float = 0.3
    own_weight: float = 0.87
    name_weight: float = 0.35


@dataclass(frozen=True)
class DecodingConfig:
    """How a caption is generated (paper, section 4.2: beam of 7).

    Attributes:
        beam: the beam width; 1 is greedy decoding.
        max_length: maximum words of a caption.
        min_length: minimum words of a caption.
        nbest: captions returned for each image.
        length_norm: captions are compared by log-probability / length ** length_norm; None takes the model's own.
        consensus: put the caption first that agrees most with all found; None does so for one group and a model with
            attention, as the paper's model has none.
        groups: the number of groups of a diverse beam search, each of beam / groups hypotheses; 1 is plain search.
        diversity: the penalty of a word, in nats, for each time that an earlier group chose it at the same step.
        no_repeat_ngram: no sequence of this many words occurs twice in a caption; 0 allows all.
        repetition: whether a caption may mention a thing twice; None allows it unless the model has tags, in English.
        style: the style of the captions; None takes the one that suits each image.
        avoid: words that no caption contains.
        require: words that every caption contains.
        sample: sample each word from the model instead of searching.
        temperature: the sampling temperature: below 1 sharper, above 1 more random.
        top_k: sample from this many of the likeliest words; 0 is all.
        top_p: sample from the likeliest words that together have this probability; 1 is all.
    """

    beam: int = 7
    max_length: int = 20
    min_length: int = 0
    nbest: int = 1
    length_norm: float | None = None
    consensus: bool | None = None
    groups: int = 1
    diversity: float = 0.5
    no_repeat_ngram: int = 0
    repetition: bool | None = None
    style: str | None = None
    avoid: tuple[str, ...] = ()
    require: tuple[str, ...] = ()
    sample: bool = False
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0


@dataclass(frozen=True)
class RegionCaptionConfig:
    """The captions of a photograph's regions that are kept (paper, section 4.3).

    Attributes:
        min_logprob: the minimum mean log-probability per word, END counted, in nats.
        min_confidence: the minimum confidence, if the model has a calibration.
        top: maximum captions, the surest.
        same_place: the IoU from which only the surer caption of two boxes is kept.
        same: the sum of the IoU of two boxes and the share of words in common from which only the surer is kept; also
            the share of words in common with the whole image's caption that drops one.
    """

    min_logprob: float = -1.5
    min_confidence: float = 0.5
    top: int = 5
    same_place: float = 0.6
    same: float = 0.75


@dataclass(frozen=True)
class LibrarySearch:
    """How an index is searched: how many `candidates`, by an approximate score, are scored exactly; all if `exact`."""

    candidates: int = 500
    exact: bool = False
