"""Scores of sentences for images, and the losses that shape them. Pure functions; the letters are the paper's."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def word_scores(s: Tensor, v: Tensor) -> Tensor:
    """max_i v_i . s_t for every word and image, in one matrix product.

    Args:
        s: (N, H) words.
        v: (K, R, H) regions of K images; an image with fewer than R repeats its first, which changes no maximum.

    Returns:
        (N, K).
    """
    images, regions, size = v.shape
    products = s @ v.reshape(images * regions, size).T
    return products.view(len(s), images, regions).max(2).values


def sentence_scores(words: Tensor, sentence: Tensor, count: int, *, mean: bool) -> Tensor:
    """S_kl = sum over the words t of sentence l of max_i v_i . s_t (paper, equation 8), or their mean.

    Args:
        words: (N, K) of `word_scores`.
        sentence: (N,) which sentence each word is of.
        count: L.
        mean: whether to divide by the number of words.

    Returns:
        (L, K): sentence l for image k.
    """
    total = words.new_zeros(count, words.shape[1]).index_add(0, sentence, words)
    return total / torch.bincount(sentence, minlength=count)[:, None] if mean else total


def ranking_loss(S: Tensor, image: Tensor, margin: float) -> Tensor:
    """Sum over k of sum_{l != k} max(0, S_kl - S_kk + 1) + sum_{l != k} max(0, S_lk - S_kk + 1) (equation 9).

    Args:
        S: (L, K) sentence by image; sentence l belongs to image `image[l]`, and several may belong to one.
        image: (L,).
        margin: the paper's 1.
    """
    own = S.gather(1, image[:, None])  # (L, 1): S_kk of each pair
    other_images = (S - own + margin).clamp(min=0)
    other_images = other_images.scatter(1, image[:, None], 0.0)
    # for pair l and its image: every sentence m of another image
    other_sentences = (S[:, image] - own.T + margin).clamp(min=0)  # (m, l)
    alien = image[:, None] != image[None, :]
    return other_images.sum() + (other_sentences * alien).sum()


def contrastive_loss(S: Tensor, image: Tensor, temperature: float) -> Tensor:
    """Mean cross-entropy of a softmax over the batch, of images for a sentence and of sentences for an image.

    Args:
        S: (L, K) sentence by image.
        image: (L,) which image each sentence belongs to; its other sentences are left out, being no negatives.
        temperature: by which scores are divided.
    """
    logits = S / temperature
    to_image = F.cross_entropy(logits, image)
    siblings = (image[:, None] == image[None, :]) & ~torch.eye(len(image), dtype=torch.bool, device=S.device)
    columns = logits[:, image].masked_fill(siblings, -torch.inf)  # (m, l): sentence m for the image of pair l
    to_sentence = F.cross_entropy(columns.T, torch.arange(len(image), device=S.device))
    return to_image + to_sentence
