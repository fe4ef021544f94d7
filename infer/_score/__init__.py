"""Adding a column of answers to files of data: CSV, Parquet and Arrow IPC.

Nobody else's column is decoded and encoded again. A Parquet file keeps its bytes, and gets further
column chunks and another footer behind them; a CSV file keeps its text, and each record of it
gets another field. So what was there is there still, whatever wrote it.

Needs pyarrow and numpy, which are imported inside functions.
"""
