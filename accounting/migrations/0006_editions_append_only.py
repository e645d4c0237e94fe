"""Editions of the report are append-only in the database itself."""

from django.db import migrations

CREATE = """
CREATE TRIGGER accounting_edition_append_only BEFORE UPDATE OR DELETE ON accounting_edition
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""
DROP = "DROP TRIGGER accounting_edition_append_only ON accounting_edition;"


class Migration(migrations.Migration):
    dependencies = [("accounting", "0005_dashboards"), ("events", "0002_append_only")]
    operations = [migrations.RunSQL(CREATE, DROP)]
