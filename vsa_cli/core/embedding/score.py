"""The score of a sentence for an image, and the losses that train it (paper, section 3.1.3). Pure functions.

    S_kl = sum_{t in l} max_i v_i . s_t
    C = sum_k ( sum_l max(0, S_kl - S_kk + 1) + sum_l max(0, S_lk - S_kk + 1) ),  l != k

The letters are the paper's: v_i the regions of image k, s_t the words of sentence l.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vsa_cli.core.embedding.kernels import best_region


def word_scores(s: Tensor, v: Tensor) -> Tensor:
    """max_i v_i . s_t for every word t and image k (paper, in equation 8).

    By definition `(s @ v.flatten(0, 1).T).unflatten(1, v.shape[:2]).amax(2)`; `best_region` computes the same faster.

    Args:
        s: (N, H) words.
        v: (K, R, H) regions; an image with fewer than R repeats its first, which changes no maximum.

    Returns:
        (N, K), of the dtype in which autocast multiplies if it is on.
    """
    return best_region(s, v)


def sentence_scores(words: Tensor, sentence: Tensor, count: int, *, mean: bool) -> Tensor:
    """S_kl = sum over the words t of sentence l of max_i v_i . s_t (paper, equation 8), or their mean.

    Args:
        words: (N, K) `word_scores`.
        sentence: (N,) the index of each word's sentence.
        count: L, the number of sentences.
        mean: divide by the number of words.

    Returns:
        (L, K) the score of sentence l for image k.
    """
    total = words.new_zeros(count, words.shape[1]).index_add(0, sentence, words)
    return total / torch.bincount(sentence, minlength=count)[:, None] if mean else total


def ranking_loss(S: Tensor, image: Tensor, margin: float) -> Tensor:
    """Sum over k of sum_{l != k} max(0, S_kl - S_kk + 1) + sum_{l != k} max(0, S_lk - S_kk + 1) (equation 9).

    Args:
        S: (L, K) scores of sentence l for image k.
        image: (L,) the index of each sentence's image; sentences of the same image are not negatives of each other.
        margin: the margin; 1 in the paper.
    """
    own = S.gather(1, image[:, None])  # (L, 1): S_kk of each pair
    other_images = (S - own + margin).clamp(min=0)
    other_images = other_images.scatter(1, image[:, None], 0.0)
    # (m, l): sentence m for the image of pair l
    other_sentences = (S.index_select(1, image) - own.T + margin).clamp(min=0)
    is_negative = image[:, None] != image[None, :]
    return other_images.sum() + (other_sentences * is_negative).sum()


def contrastive_loss(S: Tensor, image: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of a softmax over the batch, over images for each sentence plus over sentences for each image.

    Args:
        S: (L, K) scores of sentence l for image k.
        image: (L,) the index of each sentence's image; other sentences of the same image are left out as negatives.
        temperature: the scores are divided by it.
    """
    logits = S / temperature
    to_image = F.cross_entropy(logits, image)
    siblings = (image[:, None] == image[None, :]) & ~torch.eye(len(image), dtype=torch.bool, device=S.device)
    # (m, l): sentence m for the image of pair l
    columns = logits.index_select(1, image).masked_fill(siblings, -torch.inf)
    to_sentence = F.cross_entropy(columns.T, torch.arange(len(image), device=S.device))
    return to_image + to_sentence
