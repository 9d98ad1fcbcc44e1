"""The data sets by name."""

from __future__ import annotations

from estimators.entries import DatasetEntry, table

TEN_DIGITS = tuple("0123456789")
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FASHION = ("t-shirt", "trouser", "pullover", "dress", "coat",
           "sandal", "shirt", "sneaker", "bag", "ankle boot")  # fmt: skip

# the second table: how other data sets are named, rows whose name is a pattern
DATASETS, DATASET_PATTERNS = table(
    DatasetEntry(name="digits", build="estimators.data.digits:digits",
                 summary="scikit-learn's 8x8 digits at 28x28; embedded, 500 test images",
                 shape=(1, 28, 28), classes=TEN_DIGITS),
    DatasetEntry(name="mnist", build="estimators.data.torchvision_sets:mnist", label="MNIST",
                 summary="MNIST, 28x28 grey, 10,000 test images",
                 shape=(1, 28, 28), classes=TEN_DIGITS),
    DatasetEntry(name="cifar10", build="estimators.data.torchvision_sets:cifar10", label="CIFAR-10",
                 summary="CIFAR-10, 32x32 colour, 10,000 test images",
                 shape=(3, 32, 32), classes=CIFAR10),
    DatasetEntry(name="fashion_mnist", build="estimators.data.torchvision_sets:fashion_mnist",
                 summary="Fashion-MNIST, 28x28 grey, 10,000 test images",
                 label="Fashion-MNIST", shape=(1, 28, 28), classes=FASHION),
    DatasetEntry(name="photos", build="estimators.data.photos:photos", label="Photos",
                 summary="your photos of ImageNet's classes, at 224x224 (docs/paper.md)"),
), table(
    DatasetEntry(name="npz:PATH", build="estimators.data.files:from_npz",
                 summary="arrays x_train, y_train, x_test, y_test (idx_*, classes)"),
    DatasetEntry(name="imagefolder:PATH", build="estimators.data.folder:from_folder",
                 summary="one folder of photos per class, below train/ and test/ if these exist",
                 values={"resize": "pixels", "crop": "pixels",
                         "interpolation": "bilinear or bicubic"}),
    DatasetEntry(name="hf:PATH", build="estimators.data.handed.huggingface:from_saved",
                 summary="a folder that save_to_disk of `datasets` wrote (extra huggingface)",
                 values={"split": "NAME", "image": "COLUMN", "label": "COLUMN",
                         "resize": "pixels", "crop": "pixels"}),
    DatasetEntry(name="package.module:function", build="estimators.plugins:builder",
                 summary="your own function, or a torch or MAITE data set (docs/networks.md)"),
)  # fmt: skip
# what stands before the colon of a path
FILES = {entry.family: entry for entry in DATASET_PATTERNS.values() if entry.name.endswith(":PATH")}
