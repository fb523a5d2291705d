"""k-means of frames with HuBERT's settings (arXiv 2106.07447), for targets and for probes."""

from sklearn.cluster import MiniBatchKMeans


def frame_clusters(clusters: int, seed: int) -> MiniBatchKMeans:
    """Mini-batch k-means, still to be fitted.

    Args:
        clusters: their number.
        seed: of everything random.
    """
    return MiniBatchKMeans(
        clusters,
        init="k-means++",
        n_init=5,
        batch_size=10_000,
        max_iter=100,
        max_no_improvement=100,
        tol=0.0,
        reassignment_ratio=0.0,
        random_state=seed,
    )
