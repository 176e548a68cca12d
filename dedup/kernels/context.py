"""What blocks look like and which templates recur in; what stands around each block in its document out."""

from __future__ import annotations

import numpy as np

from dedup.arrays import F32, F64, I64, U8, U32, U64, Bool, Index
from dedup.kernels.classes import BUTTON, HEADING_KIND, LINE_END, LIST_OF_LINKS, NUMBERED
from dedup.kernels.compile import helper, kernel
from dedup.kernels.recur import Counts
from dedup.kernels.shape import likely_words, within
from dedup.kernels.tables import FREE

# what a block is among the pages of its source, in the order of the coefficients; "recurs" is 0 or 1
SITE = (
    "page_odds",  # log-odds to be content, by its shape and its page
    "odds",  # by its shape alone
    "words",  # ln(1 + words)
    "recurs",  # its template is in two clusters of documents of its source at least
    "clusters",  # recurs times ln(1 + clusters)
    "in_two_clusters",
    "share_of_clusters",  # recurs times the share of the source's clusters
    "learnt",  # its template was learnt from what lines share
    "weak",  # recurs, and hardly any literal is left
    "recurs_odds",  # recurs times page_odds
    "in_two_clusters_odds",
    "recurs_3_above",  # whether the block three above recurs, and is not weak
    "recurs_2_above",
    "recurs_1_above",
    "recurs_1_below",
    "recurs_2_below",
    "recurs_3_below",
    "recurring_blocks_5",  # share of the blocks within 5 that recur
    "recurring_words_8",  # share of the words within 8 blocks that stand in blocks that recur
    "recurring_words_20",
    "own_text_above",  # share of the document's own text (words that recur nowhere x probability to be content) above
    "own_text_below",
    "before_text",  # less than a fiftieth is above
    "after_text",
    "between_text",  # the smaller of the two shares
    "own_text_3",  # own text a word within 3 blocks
    "own_words_3",  # ln(1 + own text within 3 blocks)
    "own_text_10",
    "own_share_10",  # share of the document's own text within 10 blocks
    "page_own_text",  # ln(1 + own text of the document)
    "own_share",  # share of the document's own text in the block
    "repeated",  # recurs, and stands more than once in some document
    "documents_repeating",  # recurs times ln(1 + such documents)
    "out_of_place",  # recurs times ln(1 + blocks from where the template stands in the mean, from the top or the end)
    "above",  # ln(1 + blocks above)
    "below",
    "recurs_with_number",  # recurs, and has a number or a date
    "heading",
    "recurs_as_heading",
    "list_of_links",
    "recurs_as_sentence",  # recurs, and ends with a stop
    "recurs_near_text",  # recurs times own_text_3
    "in_two_clusters_words",
)
WIDTH = 43
SHARE, LEARNT = SITE.index("share_of_clusters"), SITE.index("learnt")
REPEATED, WITH_NUMBER = SITE.index("repeated"), SITE.index("recurs_with_number")
USUAL = 1 / 3  # share of a source's clusters of documents in which its furniture stands
TOGETHER = 16  # blocks whose features are weighed side by side
START = 0.02  # share of a text that may stand outside it


@helper
def flag_at(flags: F64, i: int, n: int) -> float:
    """Return the flag of block ``i``, 0 outside the document."""
    return flags[i] if i >= 0 and i < n else 0.0


@helper
def weigh(features: F32, coefficients: F32, intercept: float, sums: F64, odds: F32, first: int, end: int) -> None:
    """Fill ``odds[first:end]`` with a logistic model's log-odds of up to ``TOGETHER`` blocks, float32[WIDTH, TOGETHER].

    A sum waits for itself at each feature, so these are made side by side, in float64[TOGETHER].
    """
    for j in range(TOGETHER):
        sums[j] = intercept
    for k in range(features.shape[0]):
        for j in range(TOGETHER):
            sums[j] += features[k, j] * coefficients[k]
    for j in range(end - first):
        odds[first + j] = sums[j]


@kernel
def site_features(
    run: I64, bounds: I64, odds: F32, page_odds: F32, words: F32, weak: U64, templates: Index, counts: Counts,
    learnt: Bool, clusters: F64, kinds: U8, marks: U32,
    coefficients: F32, intercept: float, odds_out: F32, usual: Bool, own_words: F32, features: F32,
) -> None:  # fmt: skip
    """Say what blocks of some documents are among the pages of their source, see ``SITE``.

    Args:
        run: int64[r], the documents.
        bounds: int64[docs + 1], where each document's blocks begin.
        odds: float32[n], log-odds that a block is content, by its shape; ``page_odds``, by its page too.
        page_odds: see ``odds``.
        words: float32[n], words of each block.
        weak: uint64[n], template keys; the lowest bit tells that hardly any literal is left.
        templates: int32 or int64[n], each block's template, FREE where none recurs.
        counts: what is known of each template.
        learnt: bool[t], whether a template was learnt from what lines share.
        clusters: float64[docs], clusters of documents that each document's source has.
        kinds: uint8[n]; ``marks``, uint32[n], see ``dedup.kernels.classes``.
        marks: see ``kinds``.
        coefficients: float32[WIDTH], of a logistic model.
        intercept: of it.
        odds_out: float32[m], filled for the blocks of these documents one behind the other: the model's log-odds.
        usual: bool[m], filled: whether a block looks like the furniture of its source: its template is on much of it,
            and it is known by its key and has a number, or never stands on a page twice; titles in lists of news are on
            many pages too.
        own_words: float32[r], filled: words of each document's own text.
        features: float32[m, WIDTH], filled if there is room.
    """
    longest = 0
    for doc in run:
        longest = max(longest, bounds[doc + 1] - bounds[doc])
    flags, flagged, flagged_words = np.zeros(longest + 1), np.zeros(longest + 1), np.zeros(longest + 1)
    total, own = np.zeros(longest + 1), np.zeros(longest + 1)
    together, sums = np.zeros((WIDTH, TOGETHER), np.float32), np.zeros(TOGETHER)
    at = 0
    for number in range(run.size):
        doc = run[number]
        first = bounds[doc]
        n = bounds[doc + 1] - first
        for i in range(n):
            row = first + i
            recurs = templates[row] != FREE
            flags[i] = recurs and weak[row] & np.uint64(1) == np.uint64(0)
            flagged[i + 1] = flagged[i] + flags[i]
            total[i + 1] = total[i] + words[row]
            flagged_words[i + 1] = flagged_words[i] + flags[i] * words[row]
            own[i + 1] = own[i] + (0.0 if recurs else likely_words(words[row], page_odds[row]))
        all_own = own[n] + 1.0
        log_own = np.log(all_own)
        own_words[number] = own[n]
        for i in range(n):
            row = first + i
            template = templates[row]
            z = page_odds[row]
            out = together[:, at % TOGETHER]
            for k in range(WIDTH):
                out[k] = 0
            out[0], out[1], out[2] = z, odds[row], np.log(1.0 + words[row])
            if template != FREE:
                count = counts.clusters[template]
                out[3], out[4], out[5] = 1, np.log(1.0 + count), count == 2
                out[6] = min(1.0, count / clusters[doc])
                out[7], out[8] = learnt[template], weak[row] & np.uint64(1) != np.uint64(0)
                out[9], out[10] = z, z if count == 2 else 0.0
                out[31] = counts.repeated[template] > 0
                out[32] = np.log(1.0 + counts.repeated[template])
                off = min(abs(i - counts.from_top[template]), abs(n - 1 - i - counts.from_bottom[template]))
                out[33] = np.log(1.0 + off)
                out[36] = marks[row] & NUMBERED != 0
                out[38] = kinds[row] == HEADING_KIND
                out[40] = marks[row] & LINE_END != 0
            out[37], out[39] = kinds[row] == HEADING_KIND, marks[row] & (LIST_OF_LINKS | BUTTON) == LIST_OF_LINKS
            for k in range(3):
                out[11 + k] = flag_at(flags, i - 3 + k, n)
                out[14 + k] = flag_at(flags, i + 1 + k, n)
            out[17] = within(flagged, i, n, 5) / 11
            out[18] = within(flagged_words, i, n, 8) / (within(total, i, n, 8) + 1.0)
            out[19] = within(flagged_words, i, n, 20) / (within(total, i, n, 20) + 1.0)
            above, below = own[i] / all_own, (own[n] - own[i + 1]) / all_own
            out[20], out[21], out[22], out[23] = above, below, above < START, below < START
            out[24] = min(above, below)
            near = within(own, i, n, 3)
            out[25], out[26] = near / (within(total, i, n, 3) + 1.0), np.log(1.0 + near)
            out[41], out[42] = out[3] * out[25], out[5] * out[2]
            near = within(own, i, n, 10)
            out[27], out[28] = near / (within(total, i, n, 10) + 1.0), near / all_own
            out[29], out[30] = log_own, (own[i + 1] - own[i]) / all_own
            out[34], out[35] = np.log(1.0 + i), np.log(float(n - i))
            by_number = out[WITH_NUMBER] > 0 and out[LEARNT] == 0
            usual[at] = out[SHARE] >= USUAL and (by_number or out[REPEATED] == 0)
            if features.shape[0] > 0:
                for k in range(WIDTH):
                    features[at, k] = out[k]
            at += 1
            if at % TOGETHER == 0:
                weigh(together, coefficients, intercept, sums, odds_out, at - TOGETHER, at)
    weigh(together, coefficients, intercept, sums, odds_out, at - at % TOGETHER, at)
