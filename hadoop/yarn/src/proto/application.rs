//! What an application is: what it runs, how it is submitted, how it fares (package `hadoop.yarn`).

use super::record::{ApplicationAttemptId, ApplicationId, Priority, Resource, ResourceRequest};
use super::rpc::Token;
use prost::Message;
use std::fmt;

/// `URLProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Url {
    #[prost(string, optional, tag = "1")]
    pub scheme: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub host: Option<String>,
    #[prost(int32, optional, tag = "3")]
    pub port: Option<i32>,
    #[prost(string, optional, tag = "4")]
    pub file: Option<String>,
    #[prost(string, optional, tag = "5")]
    pub user_info: Option<String>,
}

/// `LocalResourceProto`.
#[derive(Clone, PartialEq, Message)]
pub struct LocalResource {
    #[prost(message, optional, tag = "1")]
    pub resource: Option<Url>,
    #[prost(int64, optional, tag = "2")]
    pub size: Option<i64>,
    /// Milliseconds.
    #[prost(int64, optional, tag = "3")]
    pub timestamp: Option<i64>,
    /// 1 archive, 2 file, 3 pattern.
    #[prost(int32, optional, tag = "4")]
    pub kind: Option<i32>,
    /// 1 public, 2 private, 3 application.
    #[prost(int32, optional, tag = "5")]
    pub visibility: Option<i32>,
    #[prost(string, optional, tag = "6")]
    pub pattern: Option<String>,
    #[prost(bool, optional, tag = "7")]
    pub should_be_uploaded_to_shared_cache: Option<bool>,
}

/// `StringLocalResourceMapProto`.
#[derive(Clone, PartialEq, Message)]
pub struct StringLocalResourceMap {
    #[prost(string, optional, tag = "1")]
    pub key: Option<String>,
    #[prost(message, optional, tag = "2")]
    pub value: Option<LocalResource>,
}

/// `StringStringMapProto`.
#[derive(Clone, PartialEq, Message)]
pub struct StringStringMap {
    #[prost(string, optional, tag = "1")]
    pub key: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub value: Option<String>,
}

/// `StringBytesMapProto`.
#[derive(Clone, PartialEq, Message)]
pub struct StringBytesMap {
    #[prost(string, optional, tag = "1")]
    pub key: Option<String>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub value: Option<Vec<u8>>,
}

/// `ApplicationACLMapProto`.
#[derive(Clone, PartialEq, Message)]
pub struct ApplicationAclMap {
    /// 1 view, 2 modify.
    #[prost(int32, optional, tag = "1")]
    pub access_type: Option<i32>,
    #[prost(string, optional, tag = "2")]
    pub acl: Option<String>,
}

/// `ContainerLaunchContextProto`.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub struct ContainerLaunchContext {
    #[prost(message, repeated, tag = "1")]
    pub local_resources: Vec<StringLocalResourceMap>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub tokens: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "3")]
    pub service_data: Vec<StringBytesMap>,
    #[prost(message, repeated, tag = "4")]
    pub environment: Vec<StringStringMap>,
    #[prost(string, repeated, tag = "5")]
    pub command: Vec<String>,
    #[prost(message, repeated, tag = "6")]
    pub application_acls: Vec<ApplicationAclMap>,
    #[prost(bytes = "vec", optional, tag = "8")]
    pub tokens_conf: Option<Vec<u8>>,
}

/// `LogAggregationContextProto`.
#[derive(Clone, PartialEq, Message)]
pub struct LogAggregationContext {
    #[prost(string, optional, tag = "1")]
    pub include_pattern: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub exclude_pattern: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub rolled_logs_include_pattern: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub rolled_logs_exclude_pattern: Option<String>,
}

/// `ApplicationTimeoutMapProto`.
#[derive(Clone, PartialEq, Message)]
pub struct ApplicationTimeoutMap {
    /// 1 lifetime.
    #[prost(int32, optional, tag = "1")]
    pub kind: Option<i32>,
    /// Seconds.
    #[prost(int64, optional, tag = "2")]
    pub timeout: Option<i64>,
}

/// `ApplicationSubmissionContextProto`.
#[derive(Clone, PartialEq, Message)]
pub struct ApplicationSubmissionContext {
    #[prost(message, optional, tag = "1")]
    pub application_id: Option<ApplicationId>,
    #[prost(string, optional, tag = "2")]
    pub application_name: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub queue: Option<String>,
    #[prost(message, optional, tag = "4")]
    pub priority: Option<Priority>,
    #[prost(message, optional, tag = "5")]
    pub am_container_spec: Option<ContainerLaunchContext>,
    #[prost(bool, optional, tag = "6")]
    pub cancel_tokens_when_complete: Option<bool>,
    #[prost(bool, optional, tag = "7")]
    pub unmanaged_am: Option<bool>,
    #[prost(int32, optional, tag = "8")]
    pub max_app_attempts: Option<i32>,
    #[prost(message, optional, tag = "9")]
    pub resource: Option<Resource>,
    #[prost(string, optional, tag = "10")]
    pub application_type: Option<String>,
    #[prost(bool, optional, tag = "11")]
    pub keep_containers_across_application_attempts: Option<bool>,
    #[prost(string, repeated, tag = "12")]
    pub application_tags: Vec<String>,
    /// Milliseconds.
    #[prost(int64, optional, tag = "13")]
    pub attempt_failures_validity_interval: Option<i64>,
    #[prost(message, optional, tag = "14")]
    pub log_aggregation_context: Option<LogAggregationContext>,
    #[prost(string, optional, tag = "16")]
    pub node_label_expression: Option<String>,
    #[prost(message, repeated, tag = "17")]
    pub am_container_resource_request: Vec<ResourceRequest>,
    #[prost(message, repeated, tag = "18")]
    pub application_timeouts: Vec<ApplicationTimeoutMap>,
}

/// `ApplicationResourceUsageReportProto`.
#[derive(Clone, PartialEq, Message)]
pub struct ApplicationResourceUsageReport {
    #[prost(int32, optional, tag = "1")]
    pub num_used_containers: Option<i32>,
    #[prost(int32, optional, tag = "2")]
    pub num_reserved_containers: Option<i32>,
    #[prost(message, optional, tag = "3")]
    pub used_resources: Option<Resource>,
    #[prost(message, optional, tag = "4")]
    pub reserved_resources: Option<Resource>,
    #[prost(message, optional, tag = "5")]
    pub needed_resources: Option<Resource>,
    #[prost(int64, optional, tag = "6")]
    pub memory_seconds: Option<i64>,
    #[prost(int64, optional, tag = "7")]
    pub vcore_seconds: Option<i64>,
    #[prost(float, optional, tag = "8")]
    pub queue_usage_percentage: Option<f32>,
    #[prost(float, optional, tag = "9")]
    pub cluster_usage_percentage: Option<f32>,
}

/// `ApplicationReportProto`.
#[derive(Clone, PartialEq, Message)]
pub struct ApplicationReport {
    #[prost(message, optional, tag = "1")]
    pub application_id: Option<ApplicationId>,
    #[prost(string, optional, tag = "2")]
    pub user: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub queue: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub name: Option<String>,
    #[prost(string, optional, tag = "5")]
    pub host: Option<String>,
    #[prost(int32, optional, tag = "6")]
    pub rpc_port: Option<i32>,
    #[prost(message, optional, tag = "7")]
    pub client_to_am_token: Option<Token>,
    #[prost(int32, optional, tag = "8")]
    pub yarn_application_state: Option<i32>,
    #[prost(string, optional, tag = "9")]
    pub tracking_url: Option<String>,
    #[prost(string, optional, tag = "10")]
    pub diagnostics: Option<String>,
    /// Milliseconds since 1970.
    #[prost(int64, optional, tag = "11")]
    pub start_time: Option<i64>,
    #[prost(int64, optional, tag = "12")]
    pub finish_time: Option<i64>,
    #[prost(int32, optional, tag = "13")]
    pub final_application_status: Option<i32>,
    #[prost(message, optional, tag = "14")]
    pub app_resource_usage: Option<ApplicationResourceUsageReport>,
    #[prost(string, optional, tag = "15")]
    pub original_tracking_url: Option<String>,
    #[prost(message, optional, tag = "16")]
    pub current_application_attempt_id: Option<ApplicationAttemptId>,
    #[prost(float, optional, tag = "17")]
    pub progress: Option<f32>,
    #[prost(string, optional, tag = "18")]
    pub application_type: Option<String>,
    #[prost(message, optional, tag = "19")]
    pub am_rm_token: Option<Token>,
}

/// Without the tokens, which must not be printed.
impl fmt::Debug for ContainerLaunchContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerLaunchContext")
            .field("command", &self.command)
            .field("environment", &self.environment)
            .field("local_resources", &self.local_resources)
            .finish_non_exhaustive()
    }
}
