"""The ledger is append-only in the database itself, not by convention."""

from django.db import migrations

CREATE = """
CREATE TRIGGER allocations_ledgerentry_append_only BEFORE UPDATE OR DELETE ON allocations_ledgerentry
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""
DROP = "DROP TRIGGER allocations_ledgerentry_append_only ON allocations_ledgerentry;"


class Migration(migrations.Migration):
    dependencies = [("allocations", "0001_initial"), ("events", "0002_append_only")]
    operations = [migrations.RunSQL(CREATE, DROP)]
