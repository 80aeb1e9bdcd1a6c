"""Functions: per engine those that only compute, and everywhere those that do more.

A function may run when sqlglot knows it as standard SQL, when it is in the engine's list here,
or when the user vouches for it in the configuration; in any case its name must not be denied.
What is in no list is refused: a stored function may do anything. The lists were read from the
engines' own catalogues (PostgreSQL 16, DuckDB 2.0, SQLite 3.40, MariaDB 10.11) and thinned by
hand: what shows the catalogue, settings or other sessions is left out as well.

What is not covered: functions that someone replaced by their own of the same name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["DENIED", "EVERYTHING_DENIED", "is_denied", "is_pure"]


def is_pure(name: str, dialect: str) -> bool:
    """Whether the engine's function `name` is known to compute and do nothing else."""
    return name.lower() in (PURE.get(dialect) or EVERYTHING_PURE)


def is_denied(name: str, dialect: str) -> bool:
    """Whether `name`, or what an engine may take for it, reaches outside, waits or administers."""
    folded = unicodedata.normalize("NFKD", name).casefold()
    plain = "".join(c for c in folded if not unicodedata.combining(c)).strip()
    return DENIED.get(dialect, EVERYTHING_DENIED).fullmatch(plain) is not None


def _pattern(*texts: str) -> re.Pattern[str]:
    """One pattern for the words of all texts, in which `*` stands for anything."""
    words = " ".join(texts).split()
    return re.compile("|".join(word.replace("*", ".*") for word in words), re.IGNORECASE)


_ANYWHERE = """
    load_extension readfile writefile load_file sleep benchmark next_value_for nextval setval
    xp_* sp_* openrowset opendatasource openquery external_query httpuritype to_file secret ai_*
    m_l_* a_i_* generate_text generate_table generate_bool generate_int generate_double
    generate_embedding net_func system[$]*
"""
_SQLITE = """
    load_extension readfile writefile edit fsdir lsdir lsmode zipfile zipfile_cds fts3_tokenizer
    sqlite_db* sqlite_log sqlite_compileoption* sqlite_source_id sqlite_offset dbstat pragma_*
    csv sqlar_* changes total_changes last_insert_rowid optimize rtreecheck rtreenode
    fts5_decode* sha3_query eval
"""
_POSTGRES = """
    pg_sleep* pg_read_* pg_ls_* pg_stat_file pg_file_* pg_current_logfile pg_advisory_*
    pg_try_advisory_* pg_terminate_backend pg_cancel_backend pg_reload_conf pg_rotate_logfile*
    pg_log_* pg_logical_* pg_replication_* pg_create_* pg_drop_* pg_copy_* pg_start_* pg_stop_*
    pg_backup_* pg_switch_* pg_wal_replay_* pg_promote pg_notify pg_export_snapshot pg_import_*
    pg_stat_* pg_prewarm pg_autoprewarm* pg_clear_* pg_restore_* pg_set_* pg_hba_file_rules
    pg_ident_file_mappings pg_show_all_* pg_execute_* pg_sync_* pg_extension_config_dump
    pg_nextoid pg_current_xact_id pg_get_* pg_lock_status txid_current adminpack* lo_* loread
    lowrite dblink* nextval currval lastval setval set_config current_setting query_to_xml*
    cursor_to_xml* table_to_xml* schema_to_xml* database_to_xml* ts_stat ts_rewrite ts_debug
    ts_parse crosstab* connectby xpath_table brin_summarize_* brin_desummarize_*
    gin_clean_pending_list postgres_fdw_* http http_* schedule* unschedule amcheck bt_index_*
    verify_heapam plpgsql_* set_limit has_*_privilege to_reg* binary_upgrade_* currtid*
    inet_server_* inet_client_* pgp_* fmgr_*
"""
_MYSQL = """
    load_file sleep benchmark get_lock release_lock release_all_locks is_free_lock is_used_lock
    master_pos_wait source_pos_wait master_gtid_wait wait_for_executed_gtid_set
    wait_until_sql_thread_after_gtids sys_exec sys_eval sys_get sys_set lib_mysqludf_* nextval
    setval lastval asynchronous_* group_replication_* mysql_firewall_* keyring_* service_get_*
    version_tokens_* last_insert_id row_count found_rows wsrep_* spider_* ps_* extractvalue
    updatexml name_const
"""
_DUCKDB = """
    read_* *_scan *_scan_* *_attach *_query *_execute scan_* parquet_* glob sniff_csv delta_*
    iceberg_* st_read* st_drivers getenv nextval currval setval query query_table duckdb_*
    which_secret load_aws_credentials http_* pragma_* checkpoint force_checkpoint
    python_map_function from_substrait* get_substrait* json_execute_serialized_sql
    json_serialize_plan write_log *able_logging *able_profiling shell* sql_auto_complete secret
    sleep_ms pg_sleep current_setting getvariable current_query create_external_resource
    *register_external_resource* destroy_external_resource arrow_scan* pandas_scan copy_database
    import_database storage_info seq_scan index_scan repeat_row test_all_types test_vector_types
    summary truncate_duckdb_logs has_*_privilege pg_get_* setseed error
"""
_CLICKHOUSE = """
    file url s3 s3cluster gcs hdfs hdfscluster remote remotesecure mysql postgresql mongodb
    redis sqlite jdbc odbc executable input dictionary cluster* azureblobstorage* deltalake*
    iceberg* hudi* urlcluster filecluster sleep sleepeachrow
"""

DENIED: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType(
    {
        "sqlite": _pattern(_ANYWHERE, _SQLITE),
        "postgres": _pattern(_ANYWHERE, _POSTGRES),
        "mysql": _pattern(_ANYWHERE, _MYSQL),
        "duckdb": _pattern(_ANYWHERE, _DUCKDB),
        "clickhouse": _pattern(_ANYWHERE, _CLICKHOUSE),
    }
)
EVERYTHING_DENIED: Final = _pattern(_ANYWHERE, _POSTGRES, _MYSQL)

_PURE_SQLITE = """
    abs acos acosh asin asinh atan atan2 atanh avg bm25 ceil ceiling char coalesce concat
    concat_ws cos cosh count cume_dist date datetime degrees dense_rank exp first_value floor
    format generate_series glob group_concat hex highlight if ifnull iif instr json json_array
    json_array_insert json_array_length json_each json_error_position json_extract
    json_group_array json_group_object json_insert json_object json_patch json_pretty json_quote
    json_remove json_replace json_set json_tree json_type json_valid jsonb jsonb_array
    jsonb_each jsonb_extract jsonb_group_array jsonb_group_object jsonb_insert jsonb_object
    jsonb_patch jsonb_remove jsonb_replace jsonb_set jsonb_tree julianday lag last_value lead
    length like likelihood likely ln log log10 log2 lower ltrim match matchinfo max median min
    mod nth_value ntile nullif octet_length offsets percent_rank percentile percentile_cont
    percentile_disc pi pow power printf quote radians random randomblob rank replace round
    row_number rtrim sign sin sinh snippet soundex sqlite_version sqrt strftime string_agg
    substr substring subtype sum tan tanh time timediff total trim trunc typeof unhex unicode
    unistr unistr_quote unixepoch unlikely upper zeroblob
"""
_PURE_POSTGRES = """
    abs acos acosd acosh age any_value area array_agg array_append array_cat array_dims
    array_fill array_length array_lower array_ndims array_position array_positions array_prepend
    array_remove array_replace array_sample array_shuffle array_to_json array_to_string
    array_to_tsvector array_upper ascii asin asind asinh atan atan2 atan2d atand atanh avg
    bit_and bit_count bit_length bit_or bit_xor bool_and bool_or bound_box box broadcast btrim
    cardinality cbrt ceil ceiling center char_length character_length chr circle clock_timestamp
    coalesce concat concat_ws convert convert_from convert_to corr cos cosd cosh cot cotd count
    covar_pop covar_samp crc32 crc32c cume_dist current_database current_schema current_user
    date date_add date_bin date_part date_subtract date_trunc daterange decode degrees
    dense_rank diagonal diameter difference div dmetaphone encode enum_first enum_last
    enum_range erf erfc every exp extract factorial family first_value float4 float8 floor
    format gcd gen_random_uuid generate_series generate_subscripts get_bit get_byte greatest
    grouping height host hostmask inet_merge inet_same_family initcap int4 int4multirange
    int4range int8 int8multirange int8range is_normalized isclosed isempty isfinite ishorizontal
    isopen isparallel isperp isvertical json_agg json_agg_strict json_array json_array_elements
    json_array_elements_text json_array_length json_arrayagg json_build_array json_build_object
    json_each json_each_text json_exists json_extract_path json_extract_path_text json_object
    json_object_agg json_object_agg_strict json_object_keys json_objectagg json_populate_record
    json_populate_recordset json_query json_scalar json_serialize json_strip_nulls json_table
    json_to_record json_to_recordset json_to_tsvector json_typeof json_value jsonb_agg
    jsonb_agg_strict jsonb_array_elements jsonb_array_elements_text jsonb_array_length
    jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path
    jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_agg jsonb_object_agg_strict
    jsonb_object_keys jsonb_path_exists jsonb_path_exists_tz jsonb_path_match
    jsonb_path_match_tz jsonb_path_query jsonb_path_query_array jsonb_path_query_array_tz
    jsonb_path_query_first jsonb_path_query_first_tz jsonb_path_query_tz jsonb_populate_record
    jsonb_populate_recordset jsonb_pretty jsonb_set jsonb_set_lax jsonb_strip_nulls
    jsonb_to_record jsonb_to_recordset jsonb_to_tsvector jsonb_typeof justify_days justify_hours
    justify_interval lag last_value lcm lead least left length levenshtein line ln log log10
    lower lower_inc lower_inf lpad lseg ltrim make_date make_interval make_time make_timestamp
    make_timestamptz masklen max md5 metaphone min min_scale mod mode multirange netmask network
    normalize now npoints nth_value ntile nullif num_nonnulls num_nulls nummultirange numnode
    numrange octet_length overlaps overlay parse_ident path pclose percent_rank percentile_cont
    percentile_disc pg_column_size pg_size_pretty pg_typeof phraseto_tsquery pi plainto_tsquery
    point polygon popen position pow power quote_ident quote_literal quote_nullable radians
    radius random random_normal range_agg range_intersect_agg range_merge rank regexp_count
    regexp_instr regexp_like regexp_match regexp_matches regexp_replace regexp_split_to_array
    regexp_split_to_table regexp_substr regr_avgx regr_avgy regr_count regr_intercept regr_r2
    regr_slope regr_sxx regr_sxy regr_syy repeat replace reverse right round row row_number
    row_to_json rpad rtrim scale session_user set_bit set_byte set_masklen setweight sha224
    sha256 sha384 sha512 sign similarity sin sind sinh slope soundex split_part sqrt st_area
    st_asgeojson st_astext st_buffer st_centroid st_contains st_distance st_dwithin
    st_geomfromtext st_intersects st_length st_makepoint st_point st_setsrid st_srid
    st_transform st_within st_x st_y starts_with statement_timestamp stddev stddev_pop
    stddev_samp strict_word_similarity string_agg string_to_array string_to_table strip strpos
    substr substring sum tan tand tanh text timeofday timezone to_ascii to_char to_date to_hex
    to_json to_jsonb to_number to_timestamp to_tsquery to_tsvector transaction_timestamp
    translate trim_array trim_scale trunc ts_delete ts_filter ts_headline ts_rank ts_rank_cd
    tsmultirange tsquery_phrase tsrange tstzmultirange tstzrange tsvector_to_array unaccent
    unistr unnest upper upper_inc upper_inf uuid_generate_v4 uuidv4 uuidv7 var_pop var_samp
    variance version websearch_to_tsquery width width_bucket word_similarity xml_is_well_formed
    xmlagg xmlcomment xmlconcat xmlelement xmlexists xmlforest xpath xpath_exists
"""
_PURE_MYSQL = """
    abs acos adddate addtime aes_decrypt aes_encrypt any_value ascii asin atan atan2 avg bin
    bin_to_uuid bit_and bit_count bit_length bit_or bit_xor cast ceil ceiling char char_length
    character_length charset chr coalesce coercibility collation compress concat concat_ws
    connection_id conv convert convert_tz cos cot count crc32 crc32c cume_dist curdate
    current_date current_role current_time current_timestamp current_user curtime database date
    date_add date_format date_sub datediff day dayname dayofmonth dayofweek dayofyear decode
    degrees dense_rank des_decrypt div elt exp export_set extract field find_in_set first_value
    floor format format_bytes from_base64 from_days from_unixtime get_format greatest
    group_concat grouping hex hour if ifnull inet6_aton inet6_ntoa inet_aton inet_ntoa insert
    instr interval is_ipv4 is_ipv4_compat is_ipv4_mapped is_ipv6 is_uuid isnull json_array
    json_array_append json_array_insert json_array_intersect json_arrayagg json_compact
    json_contains json_contains_path json_depth json_detailed json_equals json_exists
    json_extract json_insert json_key_value json_keys json_length json_loose json_merge
    json_merge_patch json_merge_preserve json_normalize json_object json_object_filter_keys
    json_object_to_array json_objectagg json_overlaps json_pretty json_query json_quote
    json_remove json_replace json_schema_valid json_search json_set json_table json_type
    json_unquote json_valid json_value kdf lag last_day last_value lcase lead least left length
    ln localtime localtimestamp locate log log10 log2 lower lpad ltrim make_set makedate
    maketime max md5 median microsecond mid min minute mod month monthname natural_sort_key now
    nth_value ntile nullif nvl nvl2 oct octet_length ord percent_rank percentile_cont
    percentile_disc period_add period_diff pi point position pow power quarter quote radians
    rand random_bytes rank regexp_instr regexp_like regexp_replace regexp_substr repeat replace
    reverse right round row_number rpad rtrim schema sec_to_time second session_user sformat sha
    sha1 sha2 sign sin soundex space sqrt st_asgeojson st_astext st_contains st_distance
    st_distance_sphere st_geomfromtext st_intersects st_within st_x st_y std stddev stddev_pop
    stddev_samp str_to_date strcmp subdate substr substring substring_index subtime sum sysdate
    system_user tan time time_format time_to_sec timediff timestamp timestampadd timestampdiff
    to_base64 to_char to_days to_seconds trim truncate ucase uncompress uncompressed_length
    unhex unix_timestamp upper user utc_date utc_time utc_timestamp uuid uuid_short uuid_to_bin
    values var_pop var_samp variance version week weekday weekofyear weight_string year yearweek
"""
_PURE_DUCKDB = """
    abs acos acosh add age aggregate ago alias any_value apply approx_count_distinct
    approx_quantile approx_top_k arbitrary arg_max arg_max_null arg_min arg_min_null argmax
    argmin array_agg array_aggr array_aggregate array_append array_apply array_cat array_concat
    array_contains array_cosine_distance array_cosine_similarity array_cross_product
    array_distance array_distinct array_dot_product array_extract array_filter array_grade_up
    array_has array_has_all array_has_any array_indexof array_inner_product array_intersect
    array_length array_negative_dot_product array_negative_inner_product array_pop_back
    array_pop_front array_position array_prepend array_push_back array_push_front array_reduce
    array_resize array_reverse array_reverse_sort array_select array_slice array_sort
    array_to_json array_to_string array_to_string_comma_default array_transform array_unique
    array_value array_where array_zip ascii asin asinh atan atan2 atanh avg bar base64 bin
    bit_and bit_count bit_length bit_or bit_position bit_xor bitstring bitstring_agg
    bitstring_byte_comparable bool_and bool_or cardinality cbrt ceil ceiling century char_length
    character_length chr collate_* columns combine concat concat_ws contains corr cos cosh cot
    count count_if count_star countif covar_pop covar_samp cume_dist current_catalog
    current_database current_date current_localtime current_localtimestamp current_schema
    current_user damerau_levenshtein date_add date_diff date_part date_sub date_trunc datediff
    datepart datesub datetrunc day dayname dayofmonth dayofweek dayofyear days_in_month decade
    decode degrees dense_rank divide editdist3 element_at encode ends_with entropy enum_code
    enum_first enum_last enum_range enum_range_boundary epoch epoch_ms epoch_ns epoch_us
    equi_width_bins era even exp factorial favg fdiv fill filter finalize first first_value
    flatten floor fmod format format_bytes formatreadabledecimalsize formatreadablesize
    from_base64 from_binary from_hex from_json from_json_strict fsum gamma gcd gen_random_uuid
    generate_series generate_subscripts geomean geometric_mean get_bit get_current_time
    get_current_timestamp grade_up greatest greatest_common_divisor group_concat hamming hash
    hex histogram histogram_exact histogram_values hour icu_* if instr isfinite isinf isnan
    isodow isoyear jaccard jaro_similarity jaro_winkler_similarity json json_array
    json_array_length json_contains json_each json_exists json_extract json_extract_path
    json_extract_path_text json_extract_string json_group_array json_group_object
    json_group_structure json_keys json_merge_patch json_object json_pretty json_quote
    json_structure json_transform json_transform_strict json_tree json_type json_valid
    json_value julian kahan_sum kurtosis kurtosis_pop lag last last_day last_value lcase lcm
    lead least least_common_multiple left left_grapheme len length length_grapheme levenshtein
    lgamma like_escape list list_aggr list_aggregate list_any_value list_append list_apply
    list_approx_count_distinct list_avg list_bit_and list_bit_or list_bit_xor list_bool_and
    list_bool_or list_cat list_concat list_contains list_cosine_distance list_cosine_similarity
    list_count list_distance list_distinct list_dot_product list_element list_entropy
    list_extract list_filter list_first list_grade_up list_has list_has_all list_has_any
    list_histogram list_indexof list_inner_product list_intersect list_kurtosis
    list_kurtosis_pop list_last list_mad list_max list_median list_min list_mode
    list_negative_dot_product list_negative_inner_product list_pack list_position list_prepend
    list_product list_reduce list_resize list_reverse list_reverse_sort list_select list_sem
    list_skewness list_slice list_sort list_stddev_pop list_stddev_samp list_string_agg list_sum
    list_transform list_unique list_value list_var_pop list_var_samp list_where list_zip listagg
    ln log log10 log2 lower lpad ltrim lttb mad make_date make_time make_timestamp
    make_timestamp_ms make_timestamp_ns make_timestamptz map map_concat map_contains
    map_contains_entry map_contains_value map_entries map_extract map_extract_value
    map_from_entries map_keys map_values max max_by md5 md5_number md5_number_lower
    md5_number_upper mean median microsecond millennium millisecond min min_by minute mismatches
    mod mode month monthname multiply nanosecond nextafter nfc_normalize normalized_interval
    not_like_escape now nth_value ntile nullif octet_length ord overlay parse_dirname
    parse_dirpath parse_filename parse_path percent_rank pi position pow power prefix printf
    product quantile quantile_cont quantile_disc quarter radians random range rank rank_dense
    reduce regexp_escape regexp_extract regexp_extract_all regexp_full_match regexp_matches
    regexp_replace regexp_split_to_array regexp_split_to_table regr_avgx regr_avgy regr_count
    regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy repeat replace
    reservoir_quantile reverse right right_grapheme round round_even roundbankers row row_number
    row_to_json rpad rtrim second sem set_bit sha1 sha256 sign signbit sin sinh skewness split
    split_part sqrt st_* starts_with stddev stddev_pop stddev_samp str_split str_split_regex
    strftime string_agg string_split string_split_regex string_to_array strip_accents strlen
    strpos strptime struct_concat struct_contains struct_extract struct_extract_at struct_has
    struct_indexof struct_insert struct_keys struct_pack struct_position struct_update
    struct_values substr substring substring_grapheme subtract suffix sum sum_no_overflow
    sumkahan tan tanh time_bucket timezone timezone_hour timezone_minute to_base to_base64
    to_binary to_centuries to_days to_decades to_hex to_hours to_json to_microseconds
    to_millennia to_milliseconds to_minutes to_months to_quarters to_seconds to_timestamp
    to_weeks to_years today transaction_timestamp translate trim trunc try_strptime typeof ucase
    unbin unhex unicode union_extract union_tag union_value unnest unpack unpivot_list upper
    url_decode url_encode uuid uuid_extract_timestamp uuid_extract_version uuidv4 uuidv7 var_pop
    var_samp variance variant_array_length variant_bytes_to_variant variant_comparator
    variant_contains variant_exists variant_extract variant_extract_string variant_group_array
    variant_group_object variant_keys variant_normalize variant_to_parquet_variant variant_type
    variant_typeof version wavg week weekday weekofyear weighted_avg xor year yearweek
"""


class _Names:
    """Names and patterns with `*`; most are plain, so that a look-up in a set comes first."""

    def __init__(self, *texts: str) -> None:
        words = " ".join(texts).split()
        self._plain = frozenset(word for word in words if "*" not in word)
        self._pattern = _pattern(*(word for word in words if "*" in word) or ("(?!)",))

    def __contains__(self, name: str) -> bool:
        return name in self._plain or self._pattern.fullmatch(name) is not None


PURE: Final[Mapping[str, _Names]] = MappingProxyType(
    {
        "sqlite": _Names(_PURE_SQLITE),
        "postgres": _Names(_PURE_POSTGRES),
        "mysql": _Names(_PURE_MYSQL),
        "duckdb": _Names(_PURE_DUCKDB),
    }
)
EVERYTHING_PURE: Final = _Names(_PURE_SQLITE, _PURE_POSTGRES, _PURE_MYSQL)
