"""scikit-learn: the loss and the strength of the correction, searched on balanced accuracy."""

from sklearn.datasets import load_digits
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tailwise import TailwiseClassifier
from tailwise.data.profiles import exponential_counts, subset_indices

features, labels = load_digits(return_X_y=True)
train, test, train_labels, test_labels = train_test_split(features, labels, stratify=labels, random_state=0)
tail = subset_indices(train_labels, exponential_counts(10, 100, imbalance_factor=20), seed=0)  # 100 zeros, 5 nines
train, train_labels = train[tail], train_labels[tail]

classifier = TailwiseClassifier(posthoc="logit-adjustment", tau=0.0, epochs=40, batch_size=32, random_state=0)
pipeline = make_pipeline(StandardScaler(), classifier).fit(train, train_labels)
print("cross entropy", round(balanced_accuracy_score(test_labels, pipeline.predict(test)), 3))

grid = {"tailwiseclassifier__loss": ["cross_entropy", "focal"], "tailwiseclassifier__tau": [0.0, 1.0, 2.0]}
search = GridSearchCV(pipeline, grid, scoring="balanced_accuracy", cv=3).fit(train, train_labels)
print(search.best_params_, round(balanced_accuracy_score(test_labels, search.predict(test)), 3))
