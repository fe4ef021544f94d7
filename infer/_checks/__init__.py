"""Is an artifact what was written, and do all of its runtimes give the same bits?"""
