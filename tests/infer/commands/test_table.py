from infer._commands.table import table


def test_columns_line_up():
    assert table(
        ("name", "bits", "note"), [("f2c", "0", "°F"), ("sin_cubic", "1,024", "")], [1]
    ) == ("name        bits  note\n---------  -----  ----\nf2c            0  °F\nsin_cubic  1,024")


def test_a_table_without_rows_has_a_head():
    assert table(("name", "x"), []) == "name  x\n----  -"
