//! nginx: plain, over TLS, and as a proxy.

use ha_config::ldirectord::ServiceCheck;
use ha_lab::Result;

use crate::check::Check;
use crate::needs;
use crate::site::{Expected, Scenario, Site};

/// All of it.
pub const SCENARIOS: &[Scenario] = &[Scenario {
    name: "nginx",
    needs: &[needs::NGINX, needs::OPENSSL],
    as_root: true,
    run: nginx,
}];

const CONF: &str = r#"
pid /run/lab-nginx.pid;
error_log /var/log/lab-nginx.log;
events {}
http {
  access_log off;
  server_names_hash_bucket_size 64;
  default_type text/html;
  server {
    listen 80 default_server;
    listen [::]:80 default_server;
    listen 443 ssl default_server;
    ssl_certificate /srv/web/lab.crt;
    ssl_certificate_key /srv/web/lab.key;
    root /srv/web;
    location /moved { return 302 /index.html; }
    location /round { return 302 /round; }
    location /secure { return 301 https://127.0.0.1/index.html; }
    location /closed { return 403; }
    location /broken { return 503; }
  }
  server {
    listen 80;
    listen 443 ssl;
    server_name www.lab.example;
    ssl_certificate /srv/web/www.crt;
    ssl_certificate_key /srv/web/www.key;
    location / { return 200 "the page of www, asked for as $host $ssl_server_name"; }
  }
  server {
    listen 8443 ssl;
    ssl_protocols TLSv1.2;
    ssl_certificate /srv/web/lab.crt;
    ssl_certificate_key /srv/web/lab.key;
    root /srv/web;
  }
  # Takes whole URLs only: a page that is asked for in the ordinary way goes nowhere.
  server {
    listen 3128;
    location / {
      if ($request !~ "^(GET|HEAD) http://") { return 400; }
      proxy_set_header Host $host;
      proxy_pass http://127.0.0.1:80;
    }
  }
}
"#;

/// A server's certificate that only its own file vouches for.
fn certificate(name: &str, subject: &str) -> String {
    format!(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
         -subj /CN={name} -addext subjectAltName={subject} -addext basicConstraints=critical,CA:FALSE \
         -keyout /srv/web/{name}.key -out /srv/web/{name}.crt"
    )
}

fn nginx(site: &Site) -> Result<()> {
    site.sh("mkdir -p /srv/web && echo '<h1>all is well</h1>' > /srv/web/index.html \
         && head -c 3000000 /dev/zero | tr '\\0' x > /srv/web/large.html && echo end >> /srv/web/large.html")?;
    site.sh(&certificate("lab", "DNS:lab.example,IP:127.0.0.1"))?;
    site.sh(&certificate("www", "DNS:www.lab.example"))?;
    site.write("/etc/nginx/lab.conf", CONF)?;
    site.sh("nginx -c /etc/nginx/lab.conf")?;
    for port in [80, 443, 3128, 8443] {
        site.wait_for_port(port)?;
    }
    for (service, port) in [(ServiceCheck::Http, 80), (ServiceCheck::Https, 443)] {
        let check = |request| Check::new(service, port).request(request);
        let name = |look: &str| format!("{}::{look}", service.word());
        site.expect(&[
            (
                &name("up"),
                check("/index.html").receive("all is well"),
                Expected::Up,
            ),
            (&name("up_without_receive"), check("/"), Expected::Up),
            (
                &name("up_by_name"),
                check("/")
                    .virtual_host("www.lab.example")
                    .receive("the page of www, asked for as www.lab.example"),
                Expected::Up,
            ),
            (
                &name("up_after_a_redirect"),
                check("/moved").receive("all is well"),
                Expected::Up,
            ),
            (
                &name("up_with_a_large_page"),
                check("/large.html").receive("^xxx"),
                Expected::Up,
            ),
            (
                &name("wrong_answer"),
                check("/index.html").receive("all is lost"),
                Expected::Down("all is well"),
            ),
            (&name("not_there"), check("/no.html"), Expected::Down("404")),
            (&name("closed"), check("/closed"), Expected::Down("403")),
            (&name("broken"), check("/broken"), Expected::Down("503")),
            (
                &name("round_and_round"),
                check("/round"),
                Expected::Down("302"),
            ),
            // nginx wants one.
            (
                &name("empty_host"),
                check("/").virtual_host(""),
                Expected::Down("400"),
            ),
        ])?;
    }
    site.expect(&[
        (
            "http::up_over_ipv6",
            Check::new(ServiceCheck::Http, 80).address("::1"),
            Expected::Up,
        ),
        (
            "http::up_after_a_redirect_to_tls",
            Check::new(ServiceCheck::Http, 80)
                .request("/secure")
                .receive("all is well"),
            Expected::Up,
        ),
        (
            "https::up_with_tls_1_2",
            Check::new(ServiceCheck::Https, 8443).receive("all is well"),
            Expected::Up,
        ),
        (
            "https::no_tls",
            Check::new(ServiceCheck::Https, 80),
            Expected::Down(""),
        ),
        (
            "http::tls_unasked",
            Check::new(ServiceCheck::Http, 443),
            Expected::Down("400"),
        ),
    ])?;
    certificates(site)?;
    proxy(site)
}

/// Only looked at if asked for; the name in the handshake chooses which.
fn certificates(site: &Site) -> Result<()> {
    let root = format!("/proc/{}/root/srv/web", site.host().pid()?);
    let check = |file: &str| {
        Check::new(ServiceCheck::Https, 443).authorities(&format!("{root}/{file}.crt"))
    };
    site.expect(&[
        ("https::certificate_by_address", check("lab"), Expected::Up),
        (
            "https::certificate_by_name",
            check("www")
                .virtual_host("www.lab.example")
                .receive("www.lab.example www.lab.example"),
            Expected::Up,
        ),
        (
            "https::certificate_of_another_name",
            check("lab").virtual_host("mail.lab.example"),
            Expected::Down(""),
        ),
        (
            "https::certificate_of_a_stranger",
            check("www"),
            Expected::Down(""),
        ),
    ])
}

fn proxy(site: &Site) -> Result<()> {
    let check = |url| Check::new(ServiceCheck::HttpProxy, 3128).request(url);
    site.expect(&[
        (
            "http_proxy::up",
            check("/http://127.0.0.1/index.html").receive("all is well"),
            Expected::Up,
        ),
        (
            "http_proxy::up_by_name",
            check("/http://www.lab.example/").receive("asked for as www.lab.example"),
            Expected::Up,
        ),
        (
            "http_proxy::not_there",
            check("/http://127.0.0.1/no.html"),
            Expected::Down("404"),
        ),
        (
            "http_proxy::wrong_answer",
            check("/http://127.0.0.1/index.html").receive("all is lost"),
            Expected::Down("all is well"),
        ),
        (
            "http_proxy::no_url",
            check("/index.html"),
            Expected::Down("400"),
        ),
        // What the proxy says to a page that is asked for in the ordinary way.
        (
            "http::of_the_proxy",
            Check::new(ServiceCheck::Http, 3128),
            Expected::Down("400"),
        ),
    ])
}
