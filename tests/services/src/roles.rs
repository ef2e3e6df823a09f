//! Roles, which belong to a whole server, so that the tests of a run share them.

/// SQL with which a superuser makes `roles` where they are missing and lets `owner` grant them. From PostgreSQL 16 on only whoever
/// made a role may grant it, which of several tests is the first one; what is given here is what that one gets by itself.
pub fn granted_by(owner: &str, roles: &[&str]) -> String {
    let names = roles.iter().map(|role| format!("'{role}'")).collect::<Vec<_>>().join(", ");
    format!(
        "DO $$ DECLARE name text; BEGIN
            PERFORM pg_advisory_xact_lock({LOCK});
            FOREACH name IN ARRAY ARRAY[{names}] LOOP
                IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
                    EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', name);
                END IF;
                IF current_setting('server_version_num')::int >= 160000 THEN
                    EXECUTE format('GRANT %I TO {owner} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE', name);
                END IF;
            END LOOP;
        END $$"
    )
}

/// Held while roles are made: any number that nobody else uses.
const LOCK: i64 = 7142;
