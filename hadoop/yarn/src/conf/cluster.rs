//! What a configuration says about the cluster: where its ResourceManagers are, and how to speak to them.

use super::{Conf, ConfError};
use crate::rpc::{Login, Options, Patience, ServerPrincipal};
use crate::{Address, Qop, User};
use std::time::Duration;

/// Longer than any application runs.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A service of the ResourceManager: the key of its address, and its port.
struct Service {
    key: &'static str,
    port: u16,
}

const CLIENT: Service = Service { key: "yarn.resourcemanager.address", port: 8032 };
const SCHEDULER: Service = Service { key: "yarn.resourcemanager.scheduler.address", port: 8030 };
const WEB: Service = Service { key: "yarn.resourcemanager.webapp.address", port: 8088 };
const SECURE_WEB: Service = Service { key: "yarn.resourcemanager.webapp.https.address", port: 8090 };

impl Conf {
    /// Where ResourceManagers serve clients: one, or as many as there are for high availability.
    pub fn resource_managers(&self) -> Result<Vec<Address>, ConfError> {
        self.addresses(&CLIENT)
    }

    /// Where ResourceManagers serve masters of applications.
    pub fn schedulers(&self) -> Result<Vec<Address>, ConfError> {
        self.addresses(&SCHEDULER)
    }

    /// Where the web pages of the ResourceManagers are, such as `http://rm.example.org:8088`.
    pub fn web_pages(&self) -> Result<Vec<String>, ConfError> {
        let (service, scheme) =
            if self.has_secure_pages()? { (&SECURE_WEB, "https") } else { (&WEB, "http") };
        Ok(self.addresses(service)?.iter().map(|address| format!("{scheme}://{address}")).collect())
    }

    /// Whether YARN's pages, those of nodes too, are there by HTTPS only.
    pub fn has_secure_pages(&self) -> Result<bool, ConfError> {
        Ok(self.require("yarn.http.policy")? == "HTTPS_ONLY")
    }

    fn addresses(&self, service: &Service) -> Result<Vec<Address>, ConfError> {
        if !self.bool("yarn.resourcemanager.ha.enabled")? {
            return Ok(vec![self.address(service.key, service.port, "yarn.resourcemanager.hostname")?]);
        }
        const IDS: &str = "yarn.resourcemanager.ha.rm-ids";
        let ids = self.list(IDS)?;
        if ids.is_empty() {
            return Err(ConfError::Unset { key: IDS.into(), folder: self.folder().to_owned() });
        }
        ids.iter().map(|id| self.address_of(service, id)).collect()
    }

    /// The address of one of several ResourceManagers.
    fn address_of(&self, service: &Service, id: &str) -> Result<Address, ConfError> {
        let key = format!("{}.{id}", service.key);
        let host_key = format!("yarn.resourcemanager.hostname.{id}");
        if self.get(&key)?.is_some() {
            return self.address(&key, service.port, &host_key);
        }
        let address = Address::new(self.require(&host_key)?, service.port);
        self.reachable(&host_key, address, &host_key)
    }

    /// An address under a key; one without a port has the usual one.
    fn address(&self, key: &str, port: u16, cure: &str) -> Result<Address, ConfError> {
        let value = self.require(key)?;
        let address = if value.contains(':') {
            value.parse().map_err(|_| self.malformed(key, "an address such as rm.example.org:8032"))?
        } else {
            Address::new(value, port)
        };
        self.reachable(key, address, cure)
    }

    fn reachable(&self, key: &str, address: Address, cure: &str) -> Result<Address, ConfError> {
        if address.is_unspecified() || address.host.contains("${") {
            return Err(ConfError::NoAddress {
                key: key.to_owned(),
                file: self.place(cure),
                value: address.to_string(),
                cure: cure.to_owned(),
            });
        }
        Ok(address)
    }

    /// How connections behave.
    pub fn rpc(&self) -> Result<Options, ConfError> {
        const PROTECTION: &str = "hadoop.rpc.protection";
        let default = Options::default();
        // Hadoop reads 0 and less as "no limit"; here there is always one.
        let bytes = |key, default| {
            let bytes = usize::try_from(self.number(key)?).ok();
            Ok::<_, ConfError>(bytes.filter(|&bytes| bytes > 0).unwrap_or(default))
        };
        let protection: Result<Vec<Qop>, ()> =
            self.list(PROTECTION)?.iter().map(|word| word.parse()).collect();
        let protection = protection.ok().filter(|words| !words.is_empty());
        let options = Options {
            connect_timeout: self.millis("ipc.client.connect.timeout")?,
            call_timeout: self.millis("ipc.client.rpc-timeout.ms")?,
            ping_interval: self.millis("ipc.ping.interval")?,
            max_idle: self.millis("ipc.client.connection.maxidletime")?,
            max_response: bytes("ipc.maximum.response.length", default.max_response)?,
            max_request: bytes("ipc.maximum.data.length", default.max_request)?,
            protection: protection
                .ok_or_else(|| self.malformed(PROTECTION, "authentication, integrity or privacy"))?,
        };
        let or_default = |time: Duration, default| if time.is_zero() { default } else { time };
        Ok(Options {
            connect_timeout: or_default(options.connect_timeout, default.connect_timeout),
            call_timeout: or_default(options.call_timeout, default.call_timeout),
            ping_interval: or_default(options.ping_interval, default.ping_interval),
            // No connection would last until its first call.
            max_idle: or_default(options.max_idle, default.max_idle),
            ..options
        })
    }

    /// How long a ResourceManager that is away is waited for.
    pub fn patience(&self) -> Result<Patience, ConfError> {
        const KEY: &str = "yarn.resourcemanager.connect.max-wait.ms";
        let for_ever = self.require(KEY)?.trim().starts_with('-');
        Ok(Patience::of(if for_ever { FOR_EVER } else { self.millis(KEY)? }))
    }

    /// Whether the cluster has security on.
    pub fn is_secure(&self) -> Result<bool, ConfError> {
        const KEY: &str = "hadoop.security.authentication";
        match &*self.require(KEY)?.to_ascii_lowercase() {
            "simple" => Ok(false),
            "kerberos" => Ok(true),
            _ => Err(self.malformed(KEY, "simple or kerberos")),
        }
    }

    /// As whom a user connects to the ResourceManager: by his token if he has one, by a ticket where security is on, by his
    /// name otherwise.
    pub fn login(&self, user: User) -> Result<Login, ConfError> {
        if let Some(token) = user.token {
            return Ok(Login::Token(token));
        }
        if !self.is_secure()? {
            return Ok(Login::Simple { user: user.name });
        }
        if !cfg!(feature = "kerberos") {
            return Err(ConfError::NoKerberos { file: self.place("hadoop.security.authentication") });
        }
        const KEY: &str = "yarn.resourcemanager.principal";
        Ok(Login::Kerberos {
            user: user.name,
            fallback: self.bool("ipc.client.fallback-to-simple-auth-allowed")?,
            server: ServerPrincipal {
                key: KEY.to_owned(),
                principal: self.require(KEY)?,
                pattern: self.get(&format!("{KEY}.pattern"))?,
            },
        })
    }
}
