"""Alembic's door. The caller passes an open connection; nothing is read from an ini file."""

from alembic import context

from carbon_credit.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=False,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
