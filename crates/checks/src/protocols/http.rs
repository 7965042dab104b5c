//! http, https and http_proxy: a page is asked for, redirects are followed, the body has to match (`ldirectord.md` 6.3).
//!
//! The request is ours byte for byte, because the legacy's cannot be had otherwise: an empty Host header, a Host without
//! the port, and, towards a proxy, a whole URL. `answer` says why the other half is ours as well.

mod answer;
mod url;

use std::net::IpAddr;

use ha_config::ldirectord::{HttpMethod, Negotiate, ServiceCheck, TlsVerify};

use self::answer::{Answer, Malformed};
use self::url::Url;
use super::ending::{receive, target};
use crate::{Conversation, Effect, Effects, Event, Pattern, Target, Transport, Verdict};

/// How many redirects are followed.
const REDIRECTS_MAX: u32 = 7;

/// What we call ourselves. Web servers' administrators keep checks out of their statistics by the name that the legacy's
/// library sends, so it stands in there.
const USER_AGENT: &str = "ldirectord (like libwww-perl)";

/// One check.
#[derive(Debug)]
pub(super) struct Http {
    url: Url,
    /// Host header of the first request, if it is not that of the URL.
    host: Option<Vec<u8>>,
    /// Name for TLS on the first connection.
    server_name: Option<String>,
    verify: TlsVerify,
    /// Everything (but https) goes through the real server.
    proxy: Option<Target>,
    method: HttpMethod,
    receive: Option<Pattern>,
    redirects_left: u32,
    answer: Answer,
    connected: bool,
}

impl Http {
    /// A check of the service that `negotiate` names.
    ///
    /// # Errors
    /// There is nothing that could be asked for.
    pub(super) fn new(negotiate: &Negotiate, address: IpAddr, port: u16) -> Result<Http, Verdict> {
        let server = target(address, port, Transport::Tcp)?;
        let receive = receive(negotiate)?;
        let secure = negotiate.service == ServiceCheck::Https;
        let is_proxy = negotiate.service == ServiceCheck::HttpProxy;
        let url = if is_proxy || is_whole_url(negotiate) {
            Url::parse(without_slashes(&negotiate.request))
                .ok_or_else(|| Verdict::down("400 URL must be absolute"))?
        } else {
            Url::on_server(secure, address, port, &negotiate.request)
        };
        let virtual_host = negotiate.virtual_host.as_ref().filter(|_| !is_proxy);
        let host = virtual_host
            .cloned()
            .or_else(|| (!is_proxy).then(|| url.bare_host().into_bytes()));
        if let Some(host) = &host {
            super::ending::one_line("virtualhost", host)?;
        }
        let server_name = virtual_host
            .and_then(|name| String::from_utf8(name.clone()).ok())
            .filter(|name| !name.is_empty() && name.parse::<IpAddr>().is_err())
            .or_else(|| url.name().map(str::to_owned));
        let answer = Answer::new(negotiate.http_method == HttpMethod::Head, receive.is_some());
        Ok(Http {
            url,
            host,
            server_name,
            verify: negotiate.tls.clone(),
            proxy: is_proxy.then_some(server),
            method: negotiate.http_method,
            receive,
            redirects_left: REDIRECTS_MAX,
            answer,
            connected: false,
        })
    }

    fn through_proxy(&self) -> Option<&Target> {
        self.proxy.as_ref().filter(|_| !self.url.secure)
    }

    fn request(&self) -> Vec<u8> {
        let method: &[u8] = match self.method {
            HttpMethod::Get => b"GET ",
            HttpMethod::Head => b"HEAD ",
        };
        let page = match self.through_proxy() {
            Some(_) => self.url.absolute_form(),
            None => self.url.origin_form(),
        };
        let host = match &self.host {
            Some(host) => host.clone(),
            None => self.url.authority().into_bytes(),
        };
        let mut request = [
            method,
            &page,
            b" HTTP/1.1\r\nConnection: close\r\nHost: ",
            &host,
            b"\r\nUser-Agent: ",
            USER_AGENT.as_bytes(),
            b"\r\n",
        ]
        .concat();
        if let Some(user_info) = &self.url.user_info {
            request.extend_from_slice(b"Authorization: Basic ");
            request.extend(base64(user_info));
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        request
    }

    fn data(&mut self, bytes: &[u8], effects: &mut Effects) {
        match self.answer.feed(bytes) {
            Ok(complete) => {
                if self.answer.has_head() && self.is_redirect() {
                    self.redirect(effects);
                } else if complete {
                    effects.done(self.judge());
                }
            }
            Err(Malformed::Line) => effects.done(Verdict::down("500 Header line too long")),
            Err(Malformed::Headers) => effects.done(Verdict::down("500 Too many header lines")),
        }
    }

    /// The end of the connection is the end of the answer, also of one that had promised more.
    fn end(&mut self, nothing_came: &str, effects: &mut Effects) {
        if !self.answer.end() {
            effects.done(Verdict::down(nothing_came));
        } else if self.is_redirect() {
            self.redirect(effects);
        } else {
            effects.done(self.judge());
        }
    }

    fn is_redirect(&self) -> bool {
        matches!(self.answer.code, 301 | 302 | 303 | 307 | 308) && self.redirects_left > 0
    }

    fn redirect(&mut self, effects: &mut Effects) {
        let location = self.answer.location.take().unwrap_or_default();
        let Some(url) = self.url.join(&location) else {
            let text = format!("400 Cannot follow {}", String::from_utf8_lossy(&location));
            return effects.done(Verdict::down(text));
        };
        self.redirects_left -= 1;
        self.server_name = url.name().map(str::to_owned);
        self.url = url;
        self.host = None;
        self.answer = Answer::new(self.method == HttpMethod::Head, self.receive.is_some());
        self.connected = false;
        effects.push(Effect::Reconnect(self.target()));
    }

    fn judge(&self) -> Verdict {
        let answer = &self.answer;
        if !matches!(answer.code, 200..=299) {
            return Verdict::down(answer.status_text());
        }
        match &self.receive {
            Some(pattern) if !pattern.matches(&answer.body) => {
                let start = answer.body.get(..Verdict::TEXT_MAX).unwrap_or(&answer.body);
                let verdict = Verdict::down(String::from_utf8_lossy(start));
                if answer.cut {
                    verdict.remark(
                        "the page is longer than 1 MiB, of which only the beginning is looked at",
                    )
                } else {
                    verdict
                }
            }
            _ => Verdict::up(answer.status_text()),
        }
    }

    fn cannot_connect(&self, cause: &str) -> Verdict {
        let whom = match self.through_proxy() {
            Some(proxy) => match &proxy.address {
                crate::Host::Address(IpAddr::V6(address)) => format!("[{address}]:{}", proxy.port),
                crate::Host::Address(address) => format!("{address}:{}", proxy.port),
                crate::Host::Name(name) => format!("{name}:{}", proxy.port),
            },
            None => self.url.host_and_port(),
        };
        Verdict::down(format!("500 Can't connect to {whom} ({cause})"))
    }
}

impl Conversation for Http {
    fn target(&self) -> Target {
        if let Some(proxy) = self.through_proxy() {
            return proxy.clone();
        }
        let transport = if self.url.secure {
            Transport::Tls {
                server_name: self.server_name.clone(),
                verify: self.verify.clone(),
            }
        } else {
            Transport::Tcp
        };
        Target {
            address: self.url.host(),
            port: self.url.port(),
            transport,
        }
    }

    fn handle(&mut self, event: Event<'_>, effects: &mut Effects) {
        match event {
            Event::Connected { .. } => {
                self.connected = true;
                effects.send(self.request());
            }
            Event::Data(bytes) => self.data(bytes, effects),
            Event::Closed => self.end(
                "500 Server closed connection without sending any data back",
                effects,
            ),
            Event::Failed(cause) if self.connected => {
                self.end(&format!("500 Status read failed: {cause}"), effects);
            }
            Event::Failed(cause) => effects.done(self.cannot_connect(cause)),
            Event::TlsStarted
            | Event::Woken
            | Event::SideListening(_)
            | Event::SideConnected
            | Event::SideData(_)
            | Event::SideClosed => {}
        }
    }
}

/// A real server's own request with a scheme in it is the whole URL (`ldirectord.md` 4.4).
fn is_whole_url(negotiate: &Negotiate) -> bool {
    let scheme = format!("{}://", negotiate.service.word());
    negotiate.own_request
        && negotiate
            .request
            .windows(scheme.len())
            .any(|window| window == scheme.as_bytes())
}

fn without_slashes(request: &[u8]) -> &[u8] {
    let start = request
        .iter()
        .position(|byte| *byte != b'/')
        .unwrap_or(request.len());
    request.get(start..).unwrap_or_default()
}

/// RFC 4648. One header of a rare kind of URL is not worth a dependency.
fn base64(bytes: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut result = Vec::new();
    for group in bytes.chunks(3) {
        let mut bits = 0_u32;
        for index in 0..3 {
            bits = bits << 8 | u32::from(group.get(index).copied().unwrap_or(0));
        }
        for index in 0..4 {
            let six = (bits >> (18 - 6 * index)) & 63;
            result.push(if index <= group.len() {
                ALPHABET.get(six as usize).copied().unwrap_or(b'=')
            } else {
                b'='
            });
        }
    }
    result
}

#[cfg(test)]
mod tests;
