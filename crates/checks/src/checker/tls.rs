//! TLS as checks need it: any certificate will do unless the administrator asks for more.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use ha_config::ldirectord::TlsVerify;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, DigitallySignedStruct, Error,
    PeerIncompatible, RootCertStore, SignatureScheme,
};

/// Where distributions keep the authorities that they trust.
const SYSTEM_AUTHORITIES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
];

/// The peer went away in the middle of the handshake.
pub(crate) const CLOSED_IN_HANDSHAKE: &str = "connection closed during the TLS handshake";

const TOO_OLD: &str = "the server speaks nothing newer than TLS 1.1, which is not spoken here; use \
    checktype=connect or external";
const NO_CIPHER: &str = "the server and we have no TLS cipher or parameter in common (TLS 1.2 with ECDHE and AES-GCM or \
    ChaCha20, or TLS 1.3, is needed); use checktype=connect or external";

/// Configurations, made once for each way to verify.
#[derive(Debug)]
pub(crate) struct Configurations {
    provider: Arc<CryptoProvider>,
    made: HashMap<TlsVerify, Result<Arc<ClientConfig>, String>>,
}

impl Configurations {
    /// None yet.
    pub(crate) fn new() -> Configurations {
        Configurations {
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            made: HashMap::new(),
        }
    }

    /// Reads authorities again when they are next needed.
    pub(crate) fn forget(&mut self) {
        self.made.clear();
    }

    /// Random bytes.
    pub(crate) fn fill_random(&self, bytes: &mut [u8]) {
        // Without randomness the kernel could not have booted.
        let _ = self.provider.secure_random.fill(bytes);
    }

    /// A session with one server, not begun. A name that is none (an address, say) is not sent as SNI.
    ///
    /// # Errors
    /// The authorities cannot be read; a text for the verdict.
    pub(crate) fn session(
        &mut self,
        server_name: Option<&str>,
        verify: &TlsVerify,
        address: IpAddr,
    ) -> Result<Box<ClientConnection>, String> {
        let provider = &self.provider;
        let config = self
            .made
            .entry(verify.clone())
            .or_insert_with(|| configure(provider, verify).map(Arc::new))
            .clone()?;
        let name = server_name
            .and_then(|name| ServerName::try_from(name.to_owned()).ok())
            .unwrap_or_else(|| ServerName::from(address));
        let session = ClientConnection::new(config, name).map_err(|error| error_text(&error))?;
        Ok(Box::new(session))
    }
}

fn configure(provider: &Arc<CryptoProvider>, verify: &TlsVerify) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let verifier: Arc<dyn ServerCertVerifier> = match verify {
        TlsVerify::No => Arc::new(Anyone),
        TlsVerify::Yes { ca_file } => {
            let roots = Arc::new(authorities(ca_file.as_deref())?);
            WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
                .build()
                .map_err(|error| format!("cannot use the certificate authorities: {error}"))?
        }
    };
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    // A resumed session would not show that the certificate has changed.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn authorities(file: Option<&str>) -> Result<RootCertStore, String> {
    let path = match file {
        Some(file) => file,
        None => SYSTEM_AUTHORITIES
            .into_iter()
            .find(|path| std::path::Path::new(path).exists())
            .ok_or("this machine has no file of certificate authorities")?,
    };
    let unusable = |error: &dyn std::fmt::Display| {
        format!("cannot read certificate authorities from {path}: {error}")
    };
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unusable(&error))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unusable(&error))?;
        // One odd certificate among many does not spoil the rest.
        let _ = roots.add(certificate);
    }
    if roots.is_empty() {
        return Err(unusable(&"there is none in it"));
    }
    Ok(roots)
}

/// The text of an error, for the monitor file.
pub(crate) fn error_text(error: &Error) -> String {
    format!("TLS: {error}")
}

/// What an operator should know about an error.
pub(crate) fn error_remark(error: &Error) -> Option<&'static str> {
    match error {
        Error::AlertReceived(AlertDescription::ProtocolVersion)
        | Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13) => Some(TOO_OLD),
        Error::AlertReceived(
            AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity,
        ) => Some(NO_CIPHER),
        _ => None,
    }
}

/// Takes every certificate, also one that is malformed, and does not look at signatures: the legacy never verified
/// (`ldirectord.md` 6.3, https), and a check that refuses what clients take would take good servers out of service.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::ECDSA_NISTP521_SHA512,
            SignatureScheme::ED25519,
            SignatureScheme::ED448,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PSS_SHA384,
            SignatureScheme::RSA_PSS_SHA512,
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::RSA_PKCS1_SHA384,
            SignatureScheme::RSA_PKCS1_SHA512,
            SignatureScheme::ECDSA_SHA1_Legacy,
            SignatureScheme::RSA_PKCS1_SHA1,
        ]
    }
}
