"""What residents report: leaks and taps without water, from the public page to the alert that they join.

``PublicReports`` is what the public may do, ``ReportDesk`` what staff do, ``Tender`` what happens by itself.
Whoever reported is kept apart from what was reported (``ports.Person``), sealed, and erased after a time.
"""
