"""The names of shards: `{subset}-{number}`, of three digits or more."""


def shard_name(subset: str, index: int) -> str:
    """The name of one shard of a subset, counted from 0."""
    return f"{subset}-{index:03d}"


def shard_names(subset: str, n_shards: int) -> list[str]:
    """Names of all shards of a subset, empty ones included."""
    return [shard_name(subset, index) for index in range(n_shards)]


def subset_of(shard: str) -> str:
    """The subset that a shard is a part of."""
    return shard.rpartition("-")[0]
