//! mariadb and postgresql.

use ha_config::ldirectord::ServiceCheck;
use ha_lab::Result;

use crate::check::Check;
use crate::needs;
use crate::site::{Expected, Scenario, Site};

/// All of it.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "mariadb",
        needs: &[needs::MARIADB, needs::OPENSSL],
        as_root: true,
        run: mariadb,
    },
    Scenario {
        name: "postgresql",
        needs: &[needs::POSTGRESQL, needs::OPENSSL],
        as_root: true,
        run: postgresql,
    },
];

const PASSWORD: &str = "open sesame";

/// With a certificate, for whoever needs TLS.
fn certificate(user: &str, directory: &str) -> String {
    format!(
        "mkdir -p {directory} \
         && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
            -subj /CN=db.lab.example -keyout {directory}/lab.key -out {directory}/lab.crt \
         && chown -R {user}:{user} {directory}"
    )
}

/// One statement a line.
const MARIADB_INIT: &str = "\
CREATE DATABASE shop;
USE shop;
CREATE TABLE shop.items (id INT, text TEXT);
INSERT INTO shop.items VALUES (1, NULL), (2, 'two');
CREATE TABLE shop.nothing (id INT);
CREATE TABLE shop.large SELECT seq, REPEAT('x', 5000) FROM seq_1_to_2000;
CREATE TABLE shop.huge SELECT REPEAT('x', 20000000) AS text;
CREATE USER joe@'%' IDENTIFIED BY 'open sesame';
CREATE USER bare@'%';
CREATE USER picky@'%' IDENTIFIED VIA unix_socket OR mysql_native_password USING PASSWORD('open sesame');
CREATE USER old@'%' IDENTIFIED VIA mysql_old_password USING '0123456789abcdef';
INSTALL SONAME 'auth_ed25519';
CREATE USER ed@'%' IDENTIFIED VIA ed25519 USING PASSWORD('open sesame');
GRANT SELECT ON shop.* TO joe@'%', bare@'%', picky@'%', old@'%', ed@'%';
";

fn mariadb(site: &Site) -> Result<()> {
    site.sh(&certificate("mysql", "/srv/mysql"))?;
    site.write("/etc/mysql/lab.sql", MARIADB_INIT)?;
    site.sh(
        "mariadb-install-db --no-defaults --user=mysql --datadir=/srv/mysql/data \
            --auth-root-authentication-method=normal --skip-test-db >/var/log/install.log 2>&1",
    )?;
    site.sh("mkdir -p /run/mysqld && chown mysql:mysql /run/mysqld \
         && (mariadbd --no-defaults --user=mysql --datadir=/srv/mysql/data --bind-address=127.0.0.1 \
            --port=3306 --socket=/run/mysqld/lab.sock --init-file=/etc/mysql/lab.sql \
            --innodb-flush-method=fsync --innodb-buffer-pool-size=16M --max-allowed-packet=64M \
            --secure-auth=0 --ssl-cert=/srv/mysql/lab.crt --ssl-key=/srv/mysql/lab.key \
            </dev/null >/var/log/mariadbd.log 2>&1 &)")?;
    site.wait_for_port(3306)?;
    let check = |request: &str| {
        Check::new(ServiceCheck::Mysql, 3306)
            .request(request)
            .database("shop")
    };
    let as_joe = |request: &str| check(request).login("joe", PASSWORD);
    let items = "/SELECT * FROM items";
    let as_another = |login: &str, password: &str| check(items).login(login, password);
    let no_rows = Expected::Down("No rows");
    site.expect(&[
        ("up", as_joe(items), Expected::Up),
        ("up_one_row", as_joe("/SELECT 1"), Expected::Up),
        (
            "up_without_database",
            as_joe("/SELECT * FROM shop.items").database(""),
            Expected::Up,
        ),
        ("up_many_rows", as_joe("/SELECT * FROM large"), Expected::Up),
        // More than one packet can hold.
        ("up_huge_row", as_joe("/SELECT * FROM huge"), Expected::Up),
        ("up_without_password", as_another("bare", ""), Expected::Up),
        (
            "up_second_method",
            as_another("picky", PASSWORD),
            Expected::Up,
        ),
        ("no_rows", as_joe("/SELECT * FROM nothing"), no_rows),
        ("no_result", as_joe("/SET @a = 1"), no_rows),
        (
            "wrong_answer",
            as_joe("/SELECT * FROM no_such_table"),
            Expected::Down("Table 'shop.no_such_table' doesn't exist"),
        ),
        (
            "error_after_rows",
            as_joe("/SELECT IF(id = 2, (SELECT 1 UNION SELECT 2), 1) FROM items"),
            Expected::Down("Subquery returns more than 1 row"),
        ),
        (
            "bad_database",
            as_joe(items).database("nowhere"),
            Expected::Down("Access denied for user 'joe'"),
        ),
        (
            "bad_credentials",
            as_another("joe", "wrong"),
            Expected::Down("Access denied for user 'joe'"),
        ),
        (
            "no_password",
            as_another("joe", ""),
            Expected::Down("Access denied for user 'joe'"),
        ),
        (
            "old_password",
            as_another("old", PASSWORD),
            Expected::Down("Old password"),
        ),
        (
            "unknown_method",
            as_another("ed", PASSWORD),
            Expected::Down("Login method not known: client_ed25519"),
        ),
        (
            "without_login",
            check(items),
            Expected::Down("Not adding 127.0.0.1."),
        ),
        (
            "without_request",
            as_joe("/"),
            Expected::Down("Not adding 127.0.0.1."),
        ),
    ])?;
    site.sh("mariadb --no-defaults -u root -S /run/mysqld/lab.sock \
         -e 'SET GLOBAL require_secure_transport = ON'")?;
    site.expect(&[
        ("up_over_tls", as_joe(items), Expected::Up),
        (
            "bad_credentials_over_tls",
            as_another("joe", "wrong"),
            Expected::Down("Access denied for user 'joe'"),
        ),
    ])
}

const PG_HBA: &str = "\
local all all trust
host all joe 127.0.0.1/32 scram-sha-256
host all emma 127.0.0.1/32 md5
host all clara 127.0.0.1/32 password
hostssl all tess 127.0.0.1/32 scram-sha-256
host all free 127.0.0.1/32 trust
host all ida 127.0.0.1/32 gss
";

const POSTGRESQL_CONF: &str = "\
listen_addresses = '127.0.0.1'
unix_socket_directories = '/srv/postgresql'
fsync = off
dynamic_shared_memory_type = mmap
ssl = on
ssl_cert_file = '/srv/postgresql/lab.crt'
ssl_key_file = '/srv/postgresql/lab.key'
";

const POSTGRESQL_INIT: &str = "\
CREATE USER joe PASSWORD 'open sesame';
CREATE USER clara PASSWORD 'open sesame';
CREATE USER tess PASSWORD 'open sesame';
CREATE USER free;
CREATE USER ida;
SET password_encryption = 'md5';
CREATE USER emma PASSWORD 'open sesame';
CREATE TABLE items AS SELECT generate_series(1, 2) AS id;
CREATE TABLE nothing (id int);
CREATE TABLE large AS SELECT generate_series(1, 2000) AS id, repeat('x', 5000) AS text;
CREATE TABLE huge AS SELECT repeat('x', 20000000) AS text;
GRANT SELECT ON items, nothing, large, huge TO PUBLIC;
";

fn postgresql(site: &Site) -> Result<()> {
    site.sh(&certificate("postgres", "/srv/postgresql"))?;
    site.sh(
        "runuser -u postgres -- /usr/lib/postgresql/*/bin/initdb -D /srv/postgresql/data \
            --no-sync -A trust >/var/log/initdb.log 2>&1",
    )?;
    site.write("/srv/postgresql/data/pg_hba.conf", PG_HBA)?;
    site.write("/srv/postgresql/data/postgresql.conf", POSTGRESQL_CONF)?;
    site.write("/srv/postgresql/lab.sql", POSTGRESQL_INIT)?;
    site.sh(
        "runuser -u postgres -- /usr/lib/postgresql/*/bin/pg_ctl -D /srv/postgresql/data \
            -w -l /srv/postgresql/log start </dev/null >/dev/null 2>&1 || { cat /srv/postgresql/log >&2; exit 1; }  \
         && runuser -u postgres -- /usr/lib/postgresql/*/bin/psql -q -h /srv/postgresql \
            -v ON_ERROR_STOP=1 -f /srv/postgresql/lab.sql",
    )?;
    site.wait_for_port(5432)?;
    let check = |request: &str| {
        Check::new(ServiceCheck::Pgsql, 5432)
            .request(request)
            .database("postgres")
    };
    let as_joe = |request: &str| check(request).login("joe", PASSWORD);
    let items = "/SELECT * FROM items";
    let as_another = |login: &str, password: &str| check(items).login(login, password);
    let no_rows = Expected::Down("No rows");
    let denied = Expected::Down("password authentication failed for user");
    site.expect(&[
        ("up_scram", as_joe(items), Expected::Up),
        ("up_md5", as_another("emma", PASSWORD), Expected::Up),
        // Both over TLS, each for a reason of its own.
        ("up_clear", as_another("clara", PASSWORD), Expected::Up),
        ("up_over_tls", as_another("tess", PASSWORD), Expected::Up),
        ("up_trusted", as_another("free", ""), Expected::Up),
        ("up_many_rows", as_joe("/SELECT * FROM large"), Expected::Up),
        ("up_huge_row", as_joe("/SELECT * FROM huge"), Expected::Up),
        ("up_several", as_joe("/SET a.b = 1; SELECT 1"), Expected::Up),
        ("no_rows", as_joe("/SELECT * FROM nothing"), no_rows),
        ("no_result", as_joe("/SET a.b = 1"), no_rows),
        ("no_statement", as_joe("/ ; "), no_rows),
        (
            "copy",
            as_joe("/COPY items TO STDOUT"),
            Expected::Down("Response mismatch"),
        ),
        (
            "wrong_answer",
            as_joe("/SELECT * FROM no_such_table"),
            Expected::Down("relation \"no_such_table\" does not exist"),
        ),
        (
            "error_after_rows",
            as_joe("/SELECT 1 / (2 - id) FROM items"),
            Expected::Down("division by zero"),
        ),
        (
            "bad_database",
            as_joe(items).database("nowhere"),
            Expected::Down("database \"nowhere\" does not exist"),
        ),
        // The one that is called like the user.
        (
            "without_database",
            as_joe(items).database(""),
            Expected::Down("database \"joe\" does not exist"),
        ),
        ("bad_credentials_scram", as_another("joe", "wrong"), denied),
        ("bad_credentials_md5", as_another("emma", "wrong"), denied),
        (
            "bad_credentials_clear",
            as_another("clara", "wrong"),
            denied,
        ),
        (
            "bad_credentials_over_tls",
            as_another("tess", "wrong"),
            denied,
        ),
        (
            "no_password",
            as_another("joe", ""),
            Expected::Down("Password wanted, none given"),
        ),
        (
            "unknown_user",
            as_another("nobody", PASSWORD),
            Expected::Down("no pg_hba.conf entry for host"),
        ),
        (
            "without_login",
            check(items),
            Expected::Down("Not adding 127.0.0.1."),
        ),
        (
            "without_request",
            as_joe("/"),
            Expected::Down("Not adding 127.0.0.1."),
        ),
        (
            "unknown_method",
            as_another("ida", PASSWORD),
            Expected::Down("Login method not known"),
        ),
    ])
}
