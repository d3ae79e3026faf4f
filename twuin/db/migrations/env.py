"""How alembic runs here: on the connection and in the transaction of ``twuin.db.migrate``."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
