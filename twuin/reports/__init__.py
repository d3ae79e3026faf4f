"""Reports as files: workbooks and paper, made on demand and by the calendar, and bills that come in."""
