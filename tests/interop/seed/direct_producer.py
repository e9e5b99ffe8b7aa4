import pika

if __name__ == '__main__':
    credentials = pika.PlainCredentials('guest', 'guest')
    parameters = pika.ConnectionParameters('192.168.141.129', port=5672, virtual_host='/', credentials=credentials)
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    # 生产者
    # 创建交换机
    exchange_name = 'log1'
    channel.exchange_declare(exchange=exchange_name,  # 交换机名
                             exchange_type='direct',  # 关键字
                             durable=True)  # 交换机持久化
    msg = 'Hello World!'
    channel.basic_publish(exchange=exchange_name,
                          routing_key='info',
                          body=msg,
                          properties=pika.BasicProperties(
                              delivery_mode=2)
                          )
    print('Sent %r' % msg)
    connection.close()
