"""Entries of the audit log are neither changed nor removed, whoever asks the database: but by what forgets what is old,
which says so for its own transaction, and by migrations of the log's own tables.
"""

from django.db import migrations

KEEP = """
CREATE FUNCTION audit_log_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE said text := current_setting('campsite.audit_log', true);
BEGIN
    IF said = 'migrate' OR (said = 'forget' AND TG_OP <> 'UPDATE') THEN
        RETURN CASE WHEN TG_OP = 'UPDATE' THEN NEW ELSE OLD END;
    END IF;
    RAISE EXCEPTION 'entries of the audit log are kept as they are (% refused)', TG_OP
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_log_is_kept BEFORE UPDATE OR DELETE ON auditlog_logentry
    FOR EACH ROW EXECUTE FUNCTION audit_log_is_kept();
CREATE TRIGGER audit_log_is_not_emptied BEFORE TRUNCATE ON auditlog_logentry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_kept();
"""
KEEP_NO_MORE = """
DROP TRIGGER audit_log_is_not_emptied ON auditlog_logentry;
DROP TRIGGER audit_log_is_kept ON auditlog_logentry;
DROP FUNCTION audit_log_is_kept();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("auditlog", "0017_add_actor_email"),
        ("monitoring", "0007_what_is_forgotten"),
    ]

    operations = [migrations.RunSQL(KEEP, KEEP_NO_MORE)]
