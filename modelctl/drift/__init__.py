"""How far what a model is asked, and what it answers, has moved from the sample of its bundle.

`prometheus` and `captured` read live rows, `distributions` and `measures` compare them with the
bundle's reference, `outliers` and `performance` need rows themselves, `report` judges and `page`
draws. The bins and the stability index are those of the alert rules.
"""
