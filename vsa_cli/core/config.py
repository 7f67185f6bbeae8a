"""Every knob on one page, with the paper's section or the reason for its value.

Frozen dataclasses; a default is written here and nowhere else. Each is stored in the artifact it made and
read back by `stored.from_dict`, which refuses what does not fit. Light: no torch, so that help can show defaults.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Detector = Literal["selective-search", "fasterrcnn", "boxes", "grid"]
Describe = Literal["crop", "roi"]
Evidence = Literal["contained", "own"]
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
CaptionFileFormat = Literal["auto", "karpathy", "coco", "flickr", "imagefolder", "csv", "sidecar", "webdataset"]


@dataclass(frozen=True)
class PrepConfig:
    """How sentences become words (paper, section 4: data preprocessing).

    Attributes:
        min_count: a word is kept if the train split has it at least this often.
        unknown: dropped words vanish (`drop`, the paper) or become UNK (`unk`).
        restval: COCO's `restval` images join train, or are dropped.
        tune: how many of the last train images are set aside as the split `tune`.
        val: how many train images are drawn at random as the split `val`; likewise `test`.
        test: see `val`.
    """

    min_count: int = 5
    unknown: Unknown = "drop"
    restval: Restval = "train"
    tune: int = 0
    val: int = 0
    test: int = 0


@dataclass(frozen=True)
class RegionConfig:
    """Where to look and how to describe it (paper, section 3.1).

    Attributes:
        detector: what proposes boxes.
        top: boxes kept beside the whole image ("the top 19 detected locations").
        cnn: the network that describes them.
        describe: `crop` warps each box to the CNN's input (R-CNN); `roi` pools it from one shared map.
        side: the CNN's input: shorter side of the photograph (`roi`, and the whole image), side of a
            crop (`crop`), in pixels; 0 takes 320, or for crops the CNN's own.
        photo_side: larger photographs are first reduced to this shorter side, in pixels, so that they
            look like the training photographs; 0 takes the corpus's median at extraction.
    """

    detector: Detector = "selective-search"
    top: int = 19
    cnn: str = "efficientnet_lite2"
    describe: Describe = "roi"
    side: int = 0
    photo_side: int = 0


@dataclass(frozen=True)
class EmbedConfig:
    """The alignment model (paper, section 3.1).

    Attributes:
        encoder: `brnn` is the paper's; `gru` is a bidirectional GRU with a path for each word's own meaning.
        word_size: length of a word vector x_t (the paper's come from word2vec: 300).
        hidden_size: units of each recurrence ("300 to 600").
        size: H, of the shared space ("1000 to 1600").
        similarity: `dot` sums raw inner products over the words (the paper); `cosine` averages cosines.
        whole_weight: share of the score that compares the sentence as such with the whole image; 0 is the paper.
        dropout: on every non-recurrent layer.
        word_dropout: share of words whose vectors are zeroed in training.
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
    """How the alignment model learns (paper, section 3.1.3 and 3.4).

    Attributes:
        loss: `hinge` is the paper's ranking loss; `contrastive` a softmax over the batch, both ways.
        margin: of the hinges.
        temperature: by which scores are divided in the softmax.
        optimizer: `sgd` with `momentum` (the paper), or `adam` with decoupled weight decay.
        learning_rate: at the start; half a cosine takes it to zero over `epochs`.
        weight_decay: cross-validated, as the learning rate is; it draws W_e, which starts large, to zero as well.
        momentum: of SGD.
        batch_size: image-sentence pairs a step.
        clip: gradients are clipped elementwise to [-clip, clip].
        epochs: passes over the training sentences, at most.
        patience: stop after this many epochs without a better sum of recalls.
        tune_words: word vectors learn on; else they stay as they were given (the paper's choice for word2vec).
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
"""What `vsa train-embed --preset` names; options given beside it win."""


@dataclass(frozen=True)
class SweepConfig:
    """Cross-validation (paper, section 3.4) by successive halving, around the rate and the decay asked for.

    Each rate is tried with each decay for `epochs` epochs; the best 1 in `share` go on for `share` times as many.
    """

    rate_factors: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0)
    decay_factors: tuple[float, ...] = (0.1, 1.0, 10.0)
    epochs: int = 2
    share: int = 3


@dataclass(frozen=True)
class GeneratorConfig:
    """The multimodal RNN (paper, section 3.2).

    Attributes:
        cell: `rnn` is the paper's: h_t = ReLU(W_hx x_t + W_hh h_{t-1} + b_h + [t = 1] b_v).
        word_size: length of a word vector x_t.
        hidden_size: "512 neurons".
        dropout: on every non-recurrent layer: word vectors, the image's descriptor, states before the softmax.
        attention: heads that look at all regions before every word (a GRU's); 0 is the paper's, which sees the
            whole image, once.
        image_dropout: of the numbers of an image's descriptors, with attention.
        length_norm: by which its captions are best compared (see `DecodingConfig`); 0 is the paper's.
    """

    cell: Cell = "rnn"
    word_size: int = 512
    hidden_size: int = 512
    dropout: float = 0.5
    attention: int = 0
    image_dropout: float = 0.3
    length_norm: float = 0.0


@dataclass(frozen=True)
class GeneratorTraining:
    """How the generator learns (paper, section 3.4: RMSProp, elementwise clipping at 5).

    Attributes:
        objective: the sentences' likelihood (the paper), or the CIDEr of `samples` sentences drawn for each image.
        samples: see there.
        optimizer: the paper's RMSProp, or Adam with decoupled weight decay.
        learning_rate: at the start; cosine-decayed to zero over `epochs`.
        decay: of RMSProp's running mean of squares.
        weight_decay: of Adam.
        label_smoothing: share of each target that is spread over all words.
        batch_size: sentences a step; with `cider`, images.
        clip: gradients are clipped elementwise to [-clip, clip].
        epochs: passes over the training sentences, or images, at most.
        patience: stop after this many epochs without a better validation.
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
"""What `vsa train-gen --preset` names; options given beside it win."""

SELF_CRITICAL = GeneratorTraining(
    objective="cider", optimizer="adam", learning_rate=1e-4, weight_decay=0.0, batch_size=50, epochs=5, patience=5
)
"""How `vsa train-gen --self-critical` goes on from a generator that likelihood has trained."""


@dataclass(frozen=True)
class AlignConfig:
    """How words are given to regions (paper, section 3.1.4).

    Attributes:
        beta: the reward of two neighbouring words for one region, on the scale of the evidence: with `contained`
            standard deviations, with `own` v_i . s_t itself (cosines want some 0.05); 0 takes each word's best.
        evidence: what a region says for a word: `own` is its v_i . s_t alone (the paper); `contained` adds what
            the regions inside its box say, so that words find whole things rather than their likeliest parts.
        lift: with `contained`, what every region counts for, in standard deviations of the sentence's scores.
        size_cost: with `contained`, the power of a box's area by which its sum is divided.
    """

    beta: float = 1.0
    evidence: Evidence = "contained"
    region_prior: float = 1.0
    area_exponent: float = 0.4


@dataclass(frozen=True)
class DecodingConfig:
    """How a sentence is drawn from the generator (paper, section 4.2: beam of 7).

    Attributes:
        beam: hypotheses kept; 1 is argmax.
        max_length: words of the longest caption, `min_length` of the shortest.
        nbest: captions returned for an image.
        length_norm: captions are compared by log-probability / length ** length_norm; None takes what the model was
            found to speak best with.
        groups: of a diverse beam search, each of beam / groups hypotheses; 1 is the plain search.
        diversity: with groups: nats that a word costs for each choice of it by earlier groups at that step.
        no_repeat_ngram: no run of so many words twice in a caption; 0 lets any.
        avoid: words that no caption says; `require`: words that every caption says.
        sample: draw each word from the model instead of searching.
        temperature: of the draw: below 1 bolder on the likely words, above 1 more adventurous.
        top_k: draw from so many of the likeliest words; 0 is all.
        top_p: draw from the likeliest words that hold this probability; 1 is all.
    """

    beam: int = 7
    max_length: int = 20
    min_length: int = 0
    nbest: int = 1
    length_norm: float | None = None
    groups: int = 1
    diversity: float = 0.5
    no_repeat_ngram: int = 0
    avoid: tuple[str, ...] = ()
    require: tuple[str, ...] = ()
    sample: bool = False
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0


@dataclass(frozen=True)
class RegionCaptionConfig:
    """Which captions of a photograph's regions are kept (paper, section 4.3).

    Attributes:
        min_logprob: mean log-probability of a word, END counted, of the least sure one, in nats.
        top: captions kept, the surest first.
        same_place: IoU from which two boxes are one place; only the surer caption stays.
        same: likewise where boxes touch, the sum of IoU and share of common words; beside the whole, that share.
    """

    min_logprob: float = -1.5
    top: int = 5
    same_place: float = 0.6
    same: float = 0.75
