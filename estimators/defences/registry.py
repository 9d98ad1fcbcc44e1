"""The defences by name: ART preprocessors in front of a network."""

from __future__ import annotations

from estimators.entries import DefenceEntry, table

# joins the members of a chain
JOIN = "+"

# the second table: how other defences are named, rows whose name is a pattern
DEFENCES, DEFENCE_PATTERNS = table(
    DefenceEntry(name="none", build="estimators.defences.build:no_defence",
                 summary="the bare network"),
    DefenceEntry(name="quantize", build="estimators.defences.quantize:Quantize",
                 summary="8 bits alone: the control that JPEG must beat", label="8 bits only"),
    DefenceEntry(name="jpeg", build="estimators.defences.jpeg:jpeg", label="JPEG",
                 summary="JPEG compression, 4:2:0, exactly as Pillow's",
                 values={"quality": "1 to 100"}),
    DefenceEntry(name="smoothing", build="estimators.defences.smoothing:Smoothing",
                 summary="the median of each window, as ART's SpatialSmoothing",
                 defaults={"window_size": 3}),
    DefenceEntry(name="squeezing", build="estimators.defences.squeezing:Squeezing",
                 summary="fewer grey levels, as ART's FeatureSqueezing",
                 defaults={"bit_depth": 4}),
    DefenceEntry(name="tvm", build="estimators.defences.tvm:TotalVariation",
                 summary="total variation, as ART's TotalVarMin; random",
                 random=True,
                 defaults={"prob": 0.3, "lamb": 0.5, "norm": 2, "max_iter": 10}),
    DefenceEntry(name="gaussian", build="estimators.defences.gaussian:GaussianNoise",
                 summary="normal noise at prediction; random", random=True,
                 defaults={"sigma": 0.1}),
    DefenceEntry(name="resize", build="estimators.defences.resize:RandomResize",
                 summary="shrunk and shifted by chance (Xie et al. 2018); random", random=True,
                 defaults={"smallest": 0.85}),
), table(
    DefenceEntry(name="NAME+NAME+...", build="estimators.defences.chain:Chain",
                 summary="one after the other, the first next to the image",
                 values={"NAME.PARAMETER": "VALUE"}),
    DefenceEntry(name="art.defences.preprocessor.NAME", build="estimators.plugins:import_from_art",
                 summary="any other preprocessor of ART"),
    DefenceEntry(name="package.module:factory", build="estimators.plugins:builder",
                 summary="your own, see docs/extending.md", values={"its own": ""}),
)  # fmt: skip
