"""The drift of a model's live inputs and predictions from the sample of its bundle.

`prometheus` and `captured` read live rows; `distributions` and `measures` compare them with the
bundle's reference; `outliers` and `performance` need the rows themselves; `report` combines the
measures, `findings` judges them and `page` draws them. Bins and stability index are those of the
alert rules.
"""
