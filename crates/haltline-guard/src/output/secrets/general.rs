//! Secrets that belong to no vendor: private keys, JWTs, passwords in addresses and headers, and
//! whatever is called a password.

use super::super::class::Class;
use super::super::rule::Severity::{Critical, High, Medium};
use super::super::rule::Step::{End, Fold, Lit, Mark, PrivateKeyBody, PrivateKeyLabel};
use super::super::rule::{SecretRule, run, runs};
use super::*;

pub(super) const RULES: &[SecretRule] = &[
    rule(
        "age",
        "Keys of age",
        Critical,
        "https://age-encryption.org/v1",
        &[token(&["AGE-SECRET-KEY-1"], &[run(Class::of("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"), 58)])],
    ),
    with_entropy(
        3.5,
        rule(
            "jwt",
            "JSON web tokens",
            High,
            "https://www.rfc-editor.org/rfc/rfc7519",
            &[Pattern {
                after: After::Dotted(BASE64URL, 3),
                slides: true,
                ..token(&["eyJ"], &[runs(BASE64URL, 10, u16::MAX), Lit(".ey"), run(BASE64URL, 11)])
            }],
        ),
    ),
    SecretRule {
        judge: Judge { kind: JudgeKind::Certain, entropy: 0.0 },
        ..rule(
            "private_key",
            "Private keys in PEM and PGP armour",
            Critical,
            "https://www.rfc-editor.org/rfc/rfc7468",
            &[Pattern {
                before: Before::Any,
                after: After::PrivateKey,
                ..token(
                    &["-----BEGIN "],
                    &[runs(Class::of("A-Z0-9 "), 11, 50), PrivateKeyLabel, Lit("-----"), PrivateKeyBody],
                )
            }],
        )
    },
    with_entropy(
        0.0,
        rule(
            "url_password",
            "Passwords in addresses",
            High,
            "https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1",
            &[Pattern {
                after: After::Nothing,
                ..exact_context(
                    &[
                        "postgres://",
                        "postgresql://",
                        "+psycopg://",
                        "+psycopg2://",
                        "+asyncpg://",
                        "mysql://",
                        "+pymysql://",
                        "+mysqldb://",
                        "+aiomysql://",
                        "mariadb://",
                        "mongodb://",
                        "+srv://",
                        "redis://",
                        "rediss://",
                        "valkey://",
                        "valkeys://",
                        "amqp://",
                        "amqps://",
                        "mssql://",
                        "+pyodbc://",
                        "sqlserver://",
                        "clickhouse://",
                        "nats://",
                        "neo4j://",
                        "bolt://",
                        "ftp://",
                        "ftps://",
                        "smtp://",
                        "smtps://",
                        "imap://",
                        "imaps://",
                        "ldap://",
                        "ldaps://",
                        "socks5://",
                        "http://",
                        "https://",
                        "ws://",
                        "wss://",
                        "ssh://",
                        "cockroachdb://",
                        "kafka://",
                        "mqtt://",
                        "mqtts://",
                    ],
                    &[
                        runs(Class::but(" \t\r\n\x0b\x0c:@/\"'<>`{}$\\"), 0, 64),
                        Lit(":"),
                        Mark,
                        runs(PASSWORD, 4, u16::MAX),
                        End,
                        Lit("@"),
                        run(Class::of("A-Za-z0-9._[-"), 1),
                    ],
                )
            }],
        ),
    ),
    with_entropy(
        2.5,
        rule(
            "basic_auth",
            "Credentials of HTTP Basic",
            High,
            "https://www.rfc-editor.org/rfc/rfc7617",
            &[after(
                BASE64_PADDED,
                context(
                    &["authorization"],
                    &[runs(BETWEEN, 1, 9), Fold("basic"), runs(Class::of(" \t"), 1, 3), Mark, runs(BASE64, 12, 48)],
                ),
            )],
        ),
    ),
    SecretRule {
        default: false,
        judge: Judge { kind: JudgeKind::Generic, entropy: 3.7 },
        ..rule(
            "generic_ctx",
            "What is called a password, a key or a token",
            Medium,
            "ours",
            &[after(
                GENERIC,
                context(
                    &[
                        "api_key",
                        "api-key",
                        "apikey",
                        "secret_key",
                        "secret-key",
                        "secretkey",
                        "client_secret",
                        "client-secret",
                        "clientsecret",
                        "access_token",
                        "access-token",
                        "accesstoken",
                        "auth_token",
                        "auth-token",
                        "authtoken",
                        "password",
                        "passwd",
                        "authorization: bearer",
                    ],
                    &[runs(BETWEEN, 1, 8), Mark, runs(GENERIC, 16, 48)],
                ),
            )],
        )
    },
];

const GENERIC: Class = Class::of("A-Za-z0-9_./+~=-");
const PASSWORD: Class = Class::but(" \t\r\n\x0b\x0c@/\"'<>`{}$\\");
