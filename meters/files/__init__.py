"""Tables as files that are taken along: CSV and Parquet, written as their rows come, in memory that does not grow.

`tables` says what a table is; `as_csv` and `as_parquet` write one, `answers` sends it to a browser, and `whole` brings
it into a file, or none.
"""
