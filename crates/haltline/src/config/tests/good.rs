//! Configurations that load, and what they become.

use super::{NOW, load_text, said};
use crate::config::{Address, ConfigCode, Outside, Secrets, StoreSettings, detect, load, safe_default};
use haltline_gateway::Hook;
use haltline_gateway::guard::settings::{Mode, OnError};
use haltline_gateway::settings::{CachePer, CacheSettings, OnDisconnect, ProviderKind, Secret, Settings};
use haltline_ledger::OnFull;
use haltline_policy::limits::{Algorithm, LimitUnit};
use haltline_policy::route::FallbackOn;
use haltline_ports::{Direction, UserClaims};
use haltline_types::{Amount, ModelName, Name, NanoUsd, Tokens, Unit};
use std::path::Path;
use std::time::Duration;

/// The example of the contract, with every section that it shows.
const EXAMPLE: &str = include_str!("example.toml");

fn codes(text: &str) -> Vec<ConfigCode> {
    said(text).items.iter().map(|item| item.code).collect()
}

fn settings(text: &str) -> Settings {
    load_text(text).map_err(|found| found.to_text(crate::config::Paint::None)).expect("no errors").settings
}

#[test]
fn the_example_loads_once_its_provider_of_a_later_version_is_left_out() {
    assert_eq!(codes(EXAMPLE).iter().filter(|code| !code.is_warning()).count(), 1);
    assert!(codes(EXAMPLE).contains(&ConfigCode::UnknownReference));
    let loaded = load_text(&EXAMPLE.replace("\"anthropic/claude-haiku-4-5\", ", "")).expect("no errors");
    assert_eq!(loaded.server.listen.to_string(), "127.0.0.1:4100");
    assert_eq!(loaded.store, StoreSettings::File("/etc/haltline/haltline-data".into()));
    assert_eq!(loaded.users, UserClaims::None);
    assert_eq!(loaded.streams_keep_for, Duration::from_secs(86_400));
    assert_eq!(loaded.settings.alerts.at["company-day"], [50, 80, 100]);
    let settings = loaded.settings;
    let openai = &settings.providers["openai"];
    assert_eq!(openai.kind, ProviderKind::OpenAi);
    assert_eq!(openai.base_url, "https://api.openai.com/v1");
    assert_eq!(openai.keys.first().map(|key| key.secret.reveal()), Some("sk-from-the-environment"));
    assert_eq!(settings.providers["local"].kind, ProviderKind::OpenAiCompatible);
    let chat = &settings.models["chat"];
    assert_eq!(chat.targets.len(), 2);
    assert_eq!(chat.max_output_tokens, Tokens::new(1024));
    assert_eq!(chat.rules.fallback_on, FallbackOn::ALL);
    assert!(settings.prices[&ModelName::parse("local/llama3.2").expect("name")].free);
    let (_, day) = settings.budgets.find("company-day").expect("budget");
    assert_eq!((day.limit, day.on_full), (Amount::usd(NanoUsd::new(50_000_000_000)), OnFull::Refuse));
    let (_, hour) = settings.budgets.find("user-hour").expect("budget");
    assert_eq!(hour.limit, Amount::new(Unit::Tokens, 4000));
    let (_, retries) = settings.budgets.find("retries").expect("budget");
    assert_eq!((retries.limit, retries.scope.to_string().as_str()), (Amount::new(Unit::Retries, 10), "user"));
    let limit = &settings.rate_limits[0];
    assert_eq!((limit.limit, limit.per, limit.algorithm), (10, Duration::from_secs(10), Algorithm::SlidingWindow));
    assert_eq!(limit.name.as_str(), "user-10s");
    assert_eq!(settings.retry, haltline_policy::retry::RetryRules::default());
    assert_eq!(settings.breaker, haltline_policy::breaker::BreakerRules::default());
    assert_eq!(settings.deadlines, haltline_gateway::settings::Deadlines::default());
}

#[test]
fn without_a_configuration_ten_dollars_a_day_are_the_most() {
    let env = |name: &str| (name == "OPENAI_API_KEY").then(|| "sk-0123456789abcdefghij".to_owned());
    let detected = detect(&env);
    assert_eq!(detected[0].hint, "…ghij");
    for text in [safe_default(&detected), safe_default(&[])] {
        let loaded = load_text(&text).expect("no errors");
        let (_, day) = loaded.settings.budgets.find("day").expect("budget");
        assert_eq!((day.limit.to_string().as_str(), day.on_full), ("$10.00", OnFull::Refuse));
        assert!(day.scope.dimensions().is_empty());
        assert!(loaded.server.listen.ip().is_loopback());
    }
    assert_eq!(load_text(&safe_default(&detected)).expect("no errors").settings.providers.len(), 1);
    assert!(said(&safe_default(&detected)).items.is_empty());
}

/// Every key that is looked for, and an Azure endpoint as its portal shows it.
fn all_keys(name: &str) -> Option<String> {
    match name {
        "AZURE_OPENAI_ENDPOINT" => Some("https://my-resource.openai.azure.com/".to_owned()),
        name if name.ends_with("_API_KEY") => Some(format!("key-of-{}", name.to_lowercase())),
        _ => None,
    }
}

#[test]
fn every_provider_is_found_by_its_key_and_its_default_has_prices() {
    let text = safe_default(&detect(&all_keys));
    let read = |_: &Path| Err(std::io::Error::from(std::io::ErrorKind::NotFound));
    let fetch = |_: &str, _: Option<&Path>| Err("nothing is fetched".to_owned());
    let outside = Outside { env: &all_keys, read: &read, fetch: &fetch, base: "/etc/haltline".into(), now: NOW };
    let loaded = load("haltline.toml", &text, &outside, Secrets::Needed);
    let loaded = loaded.map_err(|found| found.to_text(crate::config::Paint::None)).expect("no errors");
    assert!(loaded.warnings.items.is_empty(), "{}", loaded.warnings.to_text(crate::config::Paint::None));
    let settings = loaded.settings;
    let mut seen = Vec::new();
    for (name, variable, server) in [
        ("anthropic", "anthropic_api_key", "openai-compatible"),
        ("azure", "azure_openai_api_key", "azure"),
        ("deepseek", "deepseek_api_key", "deepseek"),
        ("google", "gemini_api_key", "openai-compatible"),
        ("groq", "groq_api_key", "groq"),
        ("mistral", "mistral_api_key", "mistral"),
        ("openai", "openai_api_key", "openai"),
        ("openrouter", "openrouter_api_key", "openrouter"),
        ("together", "together_api_key", "together"),
        ("xai", "xai_api_key", "xai"),
    ] {
        seen.push(name);
        let provider = &settings.providers[name];
        let key = provider.keys.first().map(|key| key.secret.reveal());
        assert_eq!((key, provider.server.name()), (Some(format!("key-of-{variable}").as_str()), server), "{name}");
        assert!(settings.prices.keys().any(|model| model.provider.as_str() == name), "{name} has no prices");
    }
    assert_eq!(settings.providers.keys().map(|name| name.as_str()).collect::<Vec<_>>(), seen);
    assert_eq!(settings.providers["azure"].base_url, "https://my-resource.openai.azure.com/openai/v1");
}

#[test]
fn azure_is_left_out_until_its_endpoint_is_known() {
    for (endpoint, expected) in [
        (None, None),
        (Some("my-resource"), None),
        (Some("https://"), None),
        (Some("https://evil\"\nkind = \"x"), None),
        (Some("https://r.openai.azure.com"), Some("https://r.openai.azure.com/openai/v1")),
        (Some("https://r.openai.azure.com/openai/"), Some("https://r.openai.azure.com/openai/v1")),
        (Some(" https://r.services.ai.azure.com/openai/v1/ "), Some("https://r.services.ai.azure.com/openai/v1")),
    ] {
        let env = |name: &str| match name {
            "AZURE_OPENAI_API_KEY" => Some("0123456789".to_owned()),
            "AZURE_OPENAI_ENDPOINT" => endpoint.map(str::to_owned),
            _ => None,
        };
        let detected = detect(&env);
        let address = expected.map_or(Address::Missing("AZURE_OPENAI_ENDPOINT"), |url| Address::At(url.to_owned()));
        assert_eq!(detected[0].address, address, "{endpoint:?}");
        let text = safe_default(&detected);
        assert_eq!(text.contains("\n[providers.azure]"), expected.is_some(), "{text}");
        assert_eq!(text.contains("\n# [providers.azure]"), expected.is_none(), "{text}");
    }
}

#[test]
fn geminis_own_variable_goes_before_googles() {
    let only = |wanted: &'static str| move |name: &str| (name == wanted).then(|| "a".repeat(30));
    assert_eq!(detect(&only("GOOGLE_API_KEY"))[0].variable, "GOOGLE_API_KEY");
    assert_eq!(
        detect(&all_keys).iter().find(|found| found.kind == "google").map(|found| found.variable),
        Some("GEMINI_API_KEY")
    );
    assert!(detect(&|_| Some("  ".to_owned())).is_empty());
}

#[test]
fn a_provider_can_have_several_keys_with_weights() {
    let text =
        "[providers.p]\nkind = \"openai\"\napi_keys = [\"file:key\", { key = \"${OPENAI_API_KEY}\", weight = 3 }]\n";
    let keys = &settings(text).providers["p"].keys;
    let read: Vec<_> = keys.iter().map(|key| (key.secret.reveal(), key.weight)).collect();
    assert_eq!(read, [("sk-from-a-file", 1), ("sk-from-the-environment", 3)]);
    assert!(!format!("{keys:?}").contains("sk-from"));
    let one = settings(&text.replace("[\"file:key\", { key = \"${OPENAI_API_KEY}\", weight = 3 }]", "\"file:key\""));
    assert_eq!(one.providers["p"].keys.len(), 1);
}

#[test]
fn variables_files_and_defaults_are_filled_in() {
    let text = "[store]\nurl = \"${STORE:-memory:}\"\n[providers.p]\nkind = \"openai\"\napi_key = \"file:key\"\n\
                base_url = \"https://eu.api.openai.com/v1/\"\n[[budgets]]\nname = \"d\"\nlimit = \"${LIMIT}\"\nwindow = \"day\"\n";
    let loaded = load_text(text).expect("no errors");
    assert_eq!(loaded.store, StoreSettings::Memory);
    let provider = &loaded.settings.providers["p"];
    assert_eq!(provider.keys.first().map(|key| key.secret.reveal()), Some("sk-from-a-file"));
    assert_eq!(provider.base_url, "https://eu.api.openai.com/v1");
    assert_eq!(loaded.settings.budgets.find("d").expect("budget").1.limit.to_string(), "$7.00");
    // A regional endpoint charges a tenth more for models that have the factor.
    let price = &loaded.settings.prices[&ModelName::parse("p/gpt-6.1-terra").expect("name")];
    assert_eq!(price.settle[0].input.get(), 1_100_000);
}

#[test]
fn a_stated_price_goes_before_the_shipped_one() {
    let text = "[providers.p]\nkind = \"openai\"\napi_key = \"${OPENAI_API_KEY}\"\n[prices.\"p/gpt-5\"]\ninput = \"3\"\n\
                cached_input = \"0.5\"\noutput = \"9\"\nrequest_fee = \"0.01\"\nlong_prompts = [{ over = 1000, input = \"6\", output = \"12\" }]\n";
    let prices = settings(text).prices;
    let price = &prices[&ModelName::parse("p/gpt-5").expect("name")];
    assert_eq!(price.settle[0].input.get(), 3_000_000);
    assert_eq!(price.settle[0].request_fee, NanoUsd::new(10_000_000));
    assert_eq!(price.settle[1].over_prompt_tokens, Tokens::new(1000));
    // Limits stay those of the catalogue.
    assert_eq!(price.max_output, Some(Tokens::new(128_000)));
    assert!(prices.len() > 50);
}

#[test]
fn a_simulated_provider_has_a_price_for_its_targets() {
    let text = "[providers.sim]\nkind = \"simulated\"\nlatency = \"5ms\"\nfail_per_mille = 20\n[models.m]\ntargets = [\"sim/small\"]\n";
    let settings = settings(text);
    assert_eq!(settings.providers["sim"].simulated.latency, Duration::from_millis(5));
    assert_eq!(settings.providers["sim"].simulated.fail_per_mille, 20);
    assert_eq!(settings.prices.len(), 1);
}

#[test]
fn no_retries_in_an_hour_are_no_retries() {
    let settings = settings("[retry]\nper_user_per_hour = 0\n");
    assert_eq!(settings.retry.max_retries, 0);
    assert!(settings.budgets.find("retries").is_none());
}

#[test]
fn limits_of_concurrency_need_no_rate() {
    let text = "[[rate_limits]]\nscope = \"key\"\nconcurrency = 8\n[[rate_limits]]\nscope = \"key\"\nlimit = 5\nper = \"1s\"\n\
                algorithm = \"token-bucket\"\nburst = 9\nunit = \"tokens\"\n[streams]\non_disconnect = \"cancel\"\ngrace = \"2s\"\n";
    let settings = settings(text);
    assert_eq!(settings.rate_limits[0].concurrency, Some(8));
    assert_eq!(settings.rate_limits[0].name.as_str(), "key-concurrency");
    assert_eq!((settings.rate_limits[1].burst, settings.rate_limits[1].unit), (Some(9), LimitUnit::Tokens));
    assert_eq!(settings.streams.on_disconnect, OnDisconnect::Cancel { grace: Duration::from_secs(2) });
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let error = crate::config::find(Some(Path::new("/no/such/file.toml")), &|_| None).expect_err("absent");
    assert_eq!(error.items[0].code, ConfigCode::Unreadable);
}

#[test]
fn providers_have_the_prices_of_their_hosts() {
    let text = "[providers.g]\nkind = \"openai-compatible\"\nbase_url = \"https://api.groq.com/openai/v1\"\n\
                [providers.l]\nkind = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:1/v1\"\n";
    let prices = settings(text).prices;
    assert!(prices.keys().all(|model| model.provider.as_str() == "g"));
    let price = &prices[&ModelName::parse("g/llama-3.1-8b-instant").expect("name")];
    assert_eq!(price.settle[0].input.get(), 50_000);
}

#[test]
fn a_factor_multiplies_the_listed_price_and_not_another_factor() {
    let head = "[providers.p]\nkind = \"openai\"\napi_key = \"${OPENAI_API_KEY}\"\nbase_url = \"https://eu.api.openai.com/v1\"\n";
    let input = |text: &str, model: &str| {
        settings(&format!("{head}{text}")).prices[&ModelName::parse(model).expect("name")].settle[0].input.get()
    };
    assert_eq!(input("", "p/gpt-6.1-terra"), 1_100_000);
    let whole = "[prices.\"p/*\"]\nmultiplier = \"1.2\"\n";
    assert_eq!(input(whole, "p/gpt-6.1-terra"), 1_200_000);
    assert_eq!(input(&format!("{whole}[prices.\"p/gpt-5\"]\nmultiplier = \"1\"\n"), "p/gpt-5"), 1_250_000);
    let own = "[prices.\"p/own\"]\ninput = \"2\"\noutput = \"4\"\ncache_write_long = \"4\"\nmedia = \"3\"\nmultiplier = \"1.5\"\n";
    assert_eq!(input(own, "p/own"), 3_000_000);
}

#[test]
fn a_list_of_one_s_own_goes_in_the_place_of_the_shipped_one() {
    let head = "[providers.g]\nkind = \"openai-compatible\"\nbase_url = \"https://api.groq.com/openai/v1\"\n";
    let text = format!("[prices]\nsource = \"groq.toml\"\n[prices.\"g/more\"]\nfree = true\n{head}");
    let prices = settings(&text).prices;
    let names: Vec<&str> = prices.keys().map(|model| model.model.as_str()).collect();
    assert_eq!(names, ["more", "own"]);
    // It is older than a list should be.
    assert!(codes(&text).contains(&ConfigCode::StalePrices));
    assert!(!codes(head).contains(&ConfigCode::StalePrices));
}

#[test]
fn a_deployment_has_the_price_of_what_it_is_like() {
    let head = "[providers.us]\nkind = \"azure\"\napi_key = \"${OPENAI_API_KEY}\"\n\
                base_url = \"https://me.openai.azure.com/openai/v1\"\n\
                [providers.proxy]\nkind = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:4000/v1\"\n";
    let prices = |text: &str| settings(&format!("{head}{text}")).prices;
    let name = |text: &str| ModelName::parse(text).expect("a name");
    let found = prices(
        "[prices.\"us/mine\"]\nlike = \"us/gpt-5-mini\"\nmax_output = 99\n\
         [prices.\"us/global\"]\nlike = \"us/gpt-5-mini\"\nmultiplier = \"1\"\n\
         [prices.\"proxy/x\"]\nlike = \"openai/gpt-5-mini\"\n",
    );
    let listed = &found[&name("us/gpt-5-mini")];
    let mine = &found[&name("us/mine")];
    assert_eq!((&mine.settle, mine.max_output), (&listed.settle, Some(Tokens::new(99))));
    let rate = |model: &str| found[&name(model)].settle[0].input.to_usd_per_million();
    // $0.25 by the lists of both; a tenth more where the region of a deployment is not known.
    assert_eq!((rate("us/mine").as_str(), rate("us/global").as_str()), ("0.275", "0.25"));
    assert_eq!(rate("proxy/x"), "0.25");
}

#[test]
fn a_list_from_the_network_goes_before_the_shipped_one() {
    let text = "[providers.groq]\nkind = \"openai-compatible\"\nbase_url = \"https://api.groq.com/openai/v1\"\n\
                [models.m]\ntargets = [\"groq/own\"]\n[prices]\nsource = \"https://prices.example/groq.toml\"\n";
    let own = ModelName::parse("groq/own").expect("a name");
    assert_eq!(settings(text).prices[&own].settle[0].input.to_usd_per_million(), "0.2");
    assert!(!codes(text).contains(&ConfigCode::NotFetched));
    let old = text.replace("/groq.toml", "/old.toml");
    assert!(codes(&old).contains(&ConfigCode::NotFetched) && settings(&old).prices.contains_key(&own));
}

#[test]
fn the_response_cache_is_as_it_is_said() {
    const BASE: &str = "[providers.p]\nkind = \"simulated\"\n[models.chat]\ntargets = [\"p/m\"]\n[prices.\"p/m\"]\nfree = true\n[[budgets]]\nname = \"day\"\nlimit = \"$10\"\nwindow = \"day\"\n";
    assert_eq!(settings(BASE).cache, CacheSettings::default());
    let said = settings(&format!(
        "{BASE}[cache]\nenabled = true\nmodels = [\"chat\", \"p/m\"]\nby_header = false\nttl = \"10m\"\nstale_for = \"2h\"\nstale_on_budget = true\nmax_bytes = \"1GiB\"\nmax_entry = \"512KiB\"\nper = \"user\"\ninvalidated_webhook = \"https://app.example/hook\"\nwebhook_secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n"
    ));
    let expected = CacheSettings {
        enabled: true,
        by_header: false,
        models: vec![Name::new("chat"), Name::new("p/m")],
        ttl: Duration::from_secs(600),
        stale_on_failure: true,
        stale_on_budget: true,
        stale_for: Duration::from_secs(7200),
        bytes_max: 1 << 30,
        entry_bytes_max: 512 << 10,
        per: Some(CachePer::User),
        invalidated_webhook: Some(Hook {
            url: "https://app.example/hook".to_owned(),
            secrets: vec![Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned())],
            allow_private: false,
        }),
    };
    assert_eq!(said.cache, expected);
    for (bad, code) in [
        ("ttl = \"0s\"", ConfigCode::OutOfRange),
        ("ttl = 600", ConfigCode::WrongType),
        ("max_bytes = \"lots\"", ConfigCode::NotUnderstood),
        ("max_entry = \"17MiB\"", ConfigCode::OutOfRange),
        ("max_bytes = \"1KiB\"", ConfigCode::Contradiction),
        ("enabled = true\nmodels = [\"chta\"]", ConfigCode::UnknownReference),
        ("models = [\"chat\"]", ConfigCode::NoEffect),
        ("stale_on_failure = false\nstale_on_budget = true", ConfigCode::Contradiction),
        ("per = \"world\"", ConfigCode::NotUnderstood),
        ("invalidated_webhook = \"app.example\"", ConfigCode::NotUnderstood),
        ("invalidated_webhook = \"https://app.example/hook\"", ConfigCode::MissingKey),
        ("tll = \"1h\"", ConfigCode::UnknownKey),
    ] {
        assert!(codes(&format!("{BASE}[cache]\n{bad}\n")).contains(&code), "{bad}");
    }
}

#[test]
fn sessions_are_kept_for_30_days_with_what_was_said_unless_it_is_said_otherwise() {
    let usual = settings("").sessions;
    assert_eq!((usual.keep_for, usual.content), (Duration::from_secs(30 * 86_400), true));
    let other = settings("[sessions]\nkeep_for = \"0s\"\ncontent = false\n").sessions;
    assert_eq!((other.keep_for, other.content), (Duration::ZERO, false));
    assert!(codes("[sessions]\nkeep = \"1d\"\n").contains(&ConfigCode::UnknownKey));
}

#[test]
fn tls_is_read_with_what_it_names() {
    let loaded = load_text(
        "[server]\nlisten = \"0.0.0.0:4100\"\nconnections_per_address = 0\ncore_dumps = true\n[server.tls]\n\
         cert = \"file:tls/good.pem\"\nkey = \"file:tls/good.key\"\nclient_ca = \"file:tls/other.pem\"\n",
    )
    .expect("good");
    let tls = loaded.server.tls.expect("TLS");
    assert_eq!(tls.client_auth, crate::tls::ClientAuth::Required);
    let files: Vec<&str> = tls.files.iter().filter_map(|path| path.to_str()).collect();
    assert_eq!(files, ["/etc/haltline/tls/good.pem", "/etc/haltline/tls/good.key", "/etc/haltline/tls/other.pem"]);
    assert_eq!((loaded.server.connections_per_address, loaded.server.core_dumps), (0, true));
    assert!(!format!("{tls:?}").contains("PRIVATE"), "{tls:?}");
    assert!(!loaded.warnings.items.iter().any(|item| item.code == crate::config::ConfigCode::OpenBind));
}

#[test]
fn the_stores_keys_are_read_and_not_shown() {
    let loaded = load_text(
        "[store]\nencryption_key = \"${STORE_KEY}\"\nold_encryption_keys = \
         [\"202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f\"]\n",
    )
    .expect("good");
    let encryption = loaded.encryption.expect("a key");
    assert_eq!(encryption.old.len(), 1);
    assert_ne!(encryption.old.first(), Some(&encryption.key));
    assert_eq!(format!("{encryption:?}"), "Encryption { key: (secret), old: [(secret)] }");
    let shown = loaded.warnings.to_text(crate::config::Paint::None);
    assert!(shown.contains("stands in the file in the clear") && !shown.contains("2021222324"), "{shown}");
}

#[test]
fn guard_services_are_read_with_what_is_usual() {
    let base = "[providers.openai]\nkind = \"openai\"\napi_key = \"${OPENAI_API_KEY}\"\n[models.small]\n\
        targets = [\"openai/gpt-5-mini\"]\n";
    let services = settings(&format!(
        "{base}[[guard.services]]\nname = \"lakera\"\nkind = \"lakera\"\nkey = \"${{OPENAI_API_KEY}}\"\n\
         [[guard.services]]\nname = \"bedrock\"\nkind = \"bedrock\"\nregion = \"eu-west-1\"\nguardrail_id = \"abc\"\n\
         access_key_id = \"${{OPENAI_API_KEY}}\"\nsecret_access_key = \"${{OPENAI_API_KEY}}\"\nmode = \"redact\"\n\
         max_cost_per_call = \"$0.01\"\nunit_prices = {{ topicPolicyUnits = \"$0.0002\" }}\n\
         [[guard.services]]\nname = \"judge\"\nkind = \"judge\"\nmodel = \"small\"\nonly_if = \"flagged\"\n\
         when = [\"output\", \"input\"]\nmode = \"flag\"\non_error = \"block\"\nremember = \"0s\"\ndeadline = \"2s\"\n\
         [[guard.services]]\nname = \"ours\"\nkind = \"webhook-litellm\"\nurl = \"http://127.0.0.1:9/\"\n"
    ))
    .guard
    .services;
    let [lakera, bedrock, judge, ours] = services.as_slice() else { panic!("{services:?}") };
    assert_eq!(
        (lakera.base_url.as_str(), lakera.mode, lakera.on_error),
        ("https://api.lakera.ai", Mode::Shadow, OnError::Allow)
    );
    assert_eq!((lakera.deadline, lakera.remember_for), (Duration::from_millis(800), Duration::from_secs(300)));
    assert_eq!(
        (lakera.directions.as_slice(), lakera.only_if_flagged, lakera.cost_at_most),
        (&[Direction::Input][..], false, None)
    );
    assert_eq!(bedrock.base_url, "https://bedrock-runtime.eu-west-1.amazonaws.com");
    assert_eq!((bedrock.mode, bedrock.cost_at_most), (Mode::Redact, Some(NanoUsd::new(10_000_000))));
    assert_eq!(bedrock.options["price:topicPolicyUnits"], "$0.0002");
    assert_eq!(bedrock.secrets["secret_access_key"].reveal(), "sk-from-the-environment");
    assert!(!format!("{services:?}").contains("sk-from"), "secrets are not printed");
    assert_eq!((judge.model.as_deref(), judge.only_if_flagged, judge.on_error), (Some("small"), true, OnError::Block));
    assert_eq!(judge.directions, [Direction::Output, Direction::Input]);
    assert!(judge.remember_for.is_zero());
    assert_eq!(ours.base_url, "http://127.0.0.1:9");
}
