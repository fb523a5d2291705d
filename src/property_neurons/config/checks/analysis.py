"""Check that the stored ranks are enough for the analysis."""

from property_neurons.config.root import Config


def problems(config: Config) -> list[str]:
    """Where the analysis asks for more than ranks hold."""
    found, analysis, ranks = [], config.analysis, config.ranks
    if analysis.lambda_ > ranks.lambda_max:
        found.append(
            f"analysis.lambda: {analysis.lambda_} is above ranks.lambda_max ({ranks.lambda_max}), so the "
            "ranks kept are too few; raise ranks.lambda_max (the models run again) or lower lambda"
        )
    if ranks.frames == "segment_mid" and analysis.frames == "every":
        found.append(
            "analysis.frames: `every` needs ranks of every frame, but ranks.frames is `segment_mid`; "
            "set ranks.frames: all, or analysis.frames: segment_mid"
        )
    return found
