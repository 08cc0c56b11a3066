"""SQL of the matrix, built by pure functions that can be read and tested without data.

Each function returns steps, `(table, Query)`; a step becomes the temporary table of that name. Every value is a
parameter. The law of time stands in two places: `spine.known` for facts with an instant of their own, and
`activity.admitted` for cells of activities.
"""
